"""The pipelines of an import: those of the mapping, those that are stored, and the stages that only files name."""

from collections.abc import Iterable, Iterator

from crmkit.io.formats import Row
from crmkit.io.importing.steps import Action
from crmkit.io.mapping.files import FileMapping, FolderMapping
from crmkit.io.mapping.stage_names import category_named
from crmkit.io.stores.port import Store
from crmkit.model import Deal, Pipeline, Stage


class Stages:
    """What each pipeline will be. A stored one keeps its stages and gets those that it lacks."""

    def __init__(self, mapping: FolderMapping, store: Store) -> None:
        """Begin with the pipelines that are stored and those of the mapping."""
        stored = store.every(Pipeline) if Pipeline in store.classes else ()
        self._store = store
        self._stored = {pipeline.id: pipeline for pipeline in stored}
        self._mapped = tuple(pipeline.id for pipeline in mapping.pipelines)
        self._learning = mapping.learning
        self._pipelines = dict(self._stored)
        for pipeline in mapping.pipelines:
            known = self._stored.get(pipeline.id)
            self._pipelines[pipeline.id] = pipeline if known is None else _extended(known, pipeline.stages)
        self._seen: dict[str, dict[str, None]] = {}

    @property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """The pipelines as far as they are known before the files are read."""
        return tuple(self._pipelines.values())

    def see(self, file: FileMapping, row: Row) -> None:
        """Note the stage of a deal in a pipeline that takes new ones."""
        if not self._learning or not issubclass(file.record, Deal):
            return
        texts = {
            field.info.name: field.text(row) for field in file.fields if field.info.name in ("pipeline_id", "stage")
        }
        if texts.get("pipeline_id") in self._learning and texts.get("stage"):
            self._seen.setdefault(texts["pipeline_id"], {})[texts["stage"]] = None

    def learned(self) -> tuple[Pipeline, ...]:
        """Return all pipelines, with the stages that were seen after the others, by their names, so that no order of rows matters."""
        for pipeline_id, labels in self._seen.items():
            stages = [Stage(label, category_named(label)) for label in sorted(labels)]
            ordered = sorted(stages, key=lambda stage: ("open", "won", "lost").index(stage.category))
            self._pipelines[pipeline_id] = _extended(self._pipelines[pipeline_id], ordered)
        return self.pipelines

    def changes(self) -> Iterator[tuple[Pipeline, Action, int | None]]:
        """Go through the pipelines of the mapping: as they will be, what happens to each, and the version that is stored."""
        for pipeline_id in self._mapped:
            pipeline, stored = self._pipelines[pipeline_id], self._stored.get(pipeline_id)
            if stored is None:
                yield pipeline, "create", None
            elif stored == pipeline:
                yield pipeline, "skip", None
            else:
                yield pipeline, "update", self._store.read(Pipeline, pipeline_id).version


def _extended(pipeline: Pipeline, stages: Iterable[Stage]) -> Pipeline:
    known = set(pipeline.labels())
    new = [stage for stage in stages if stage.label not in known]
    return pipeline.replace(stages=(*pipeline.stages, *new)) if new else pipeline
