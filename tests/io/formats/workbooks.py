"""Workbooks made by hand, good and hostile ones."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"

BEGIN = f'<worksheet xmlns="{_MAIN}"><sheetData>'
END = "</sheetData></worksheet>"


def xlsx(path: Path, rows: str, *, begin: str = BEGIN, end: str = END, target: str = "worksheets/sheet1.xml") -> Path:
    """A workbook with the sheet "S" of these rows."""
    book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELS}"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>'
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{_TYPES}"></Types>')
        main = f'<Relationship Id="rId1" Type="{_RELS}/officeDocument" Target="xl/workbook.xml"/>'
        archive.writestr("_rels/.rels", f'<Relationships xmlns="{_PACKAGE}">{main}</Relationships>')
        archive.writestr("xl/workbook.xml", book)
        link = f'<Relationship Id="rId1" Type="{_RELS}/worksheet" Target="{target}"/>'
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}">{link}</Relationships>')
        archive.writestr(f"xl/{target}", begin + rows + end)
    return path


def ods(path: Path, rows: str) -> Path:
    """A workbook of LibreOffice with the sheet "S" of these rows."""
    spaces = " ".join(f'xmlns:{name}="{_OFFICE}:{name}:1.0"' for name in ("office", "table", "text"))
    table = f'<table:table table:name="S">{rows}</table:table>'
    body = f"<office:body><office:spreadsheet>{table}</office:spreadsheet></office:body>"
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{_OFFICE}:manifest:1.0"/>')
        archive.writestr("content.xml", f"<office:document-content {spaces}>{body}</office:document-content>")
    return path


def ods_cell(text: str, repeated: int = 1) -> str:
    """A cell of text."""
    repeat = f' table:number-columns-repeated="{repeated}"' if repeated > 1 else ""
    return f'<table:table-cell office:value-type="string"{repeat}><text:p>{text}</text:p></table:table-cell>'
