"""The saved segments of a CRM: who is in them, by rule and by hand, and who entered and left."""

from collections.abc import Callable, Iterable

from crmkit.crm.collection import Collection
from crmkit.errors import InvalidInput, choices
from crmkit.model import Customer, Record, Segment, Transition, segment
from crmkit.rules import Rule, field
from crmkit.segmentation.segments import in_segment, named_segment, names_segments, with_segments


class Segments(Collection[Segment]):
    """The stored segments. `CRM.customers` understands `in_segment`, so that their members are found, counted and paged.

    >>> from crmkit.rules import field, to_json
    >>> from crmkit.segmentation import in_segment
    >>> crm = CRM.open("memory://")
    >>> _ = crm.customers.add(Customer(id="ann", kind="person", name="Ann", country="TH"))
    >>> _ = crm.segments.add(Segment(id="thai", name="Thai", rule=to_json(field("country") == "TH")))
    >>> [each.id for each in crm.customers.find(in_segment("thai"))]
    ['ann']
    """

    def add(self, record: Segment) -> Segment:
        """Keep a new segment; raises `InvalidInput` where its rule cannot be asked, as `Collection.add` does otherwise."""
        self._check(record)
        with self._crm.transaction():
            added = super().add(record)
            self.rule(added.id)
        return added

    def update(self, record: Segment, version: int | None = None) -> Segment:
        """Keep a changed segment; raises `InvalidInput` where its rule cannot be asked, as `Collection.update` does otherwise."""
        with self._crm.transaction():
            changed = super().update(record, version)
            self.rule(changed.id)
        return changed

    def include(self, segment_id: str, customer_ids: Iterable[str]) -> Segment:
        """Add customers to a segment by hand, whatever its rule says of them."""
        return self._by_hand(segment.include, segment_id, customer_ids)

    def exclude(self, segment_id: str, customer_ids: Iterable[str]) -> Segment:
        """Remove customers from a segment by hand, whatever its rule says of them."""
        return self._by_hand(segment.exclude, segment_id, customer_ids)

    def release(self, segment_id: str, customer_ids: Iterable[str]) -> Segment:
        """Give customers back to the rule of a segment, which decides about them again."""
        return self._by_hand(segment.release, segment_id, customer_ids)

    def rule(self, name: str) -> Rule:
        """Return what a segment, named by its id or its name, says as a rule about its customers, without other segments in it.

        Raises `InvalidInput` for an unknown segment, and for a rule that does not fit, that names an unknown segment, or by which
        the segment is part of itself.
        """
        known = tuple(self)
        return self._asked(named_segment(name, known), known)

    def within(self, where: Rule, cls: type[Record]) -> Rule:
        """Return a rule about customers with the rules of the stored segments in the place of their names; any other as it is."""
        if not issubclass(cls, Customer) or not names_segments(where):
            return where
        return with_segments(where, self, cls)

    def rebuild(self, *names: str) -> tuple[Transition, ...]:
        """Look who is in some segments now, or in all of them, and keep and return who entered and left since the last time.

        Nothing is kept where nobody did. `crmkit.segmentation.entered` and `left` find these transitions again, and
        `segment_sizes` and `segment_overlap` count them. Raises `InvalidInput` as `rule` does, and `Conflict` where somebody
        else rebuilds the same segment at a time, which `CRM.run` does again.
        """
        with self._crm.transaction():
            known = tuple(self)
            wanted = [named_segment(name, known) for name in names] or known
            return tuple(moved for each in wanted for moved in self._rebuilt(each, known))

    def _rebuilt(self, its: Segment, known: tuple[Segment, ...]) -> tuple[Transition, ...]:
        by, at = self._crm.acting()
        note = f"rebuilt:{its.id}"
        times = self._store.note(note)
        before = self._store.every(Transition, field("field") == segment.membership_field(its.id))
        inside = self._ids(self._class_of(its), self._asked(its, known).at(self._crm.now(), self._crm.tz))
        moved = segment.membership_changes(its, inside, before, at=at, by=by)
        if moved:
            moved = tuple(each.replace(recorded_at=self._crm.now()) for each in moved)
            self._store.add(moved)
            # Two who rebuild at a time would each let the same customers enter; the second one finds another number here.
            self._store.set_note(note, str(int(times or 0) + 1), was=times)
        return moved

    def _ids(self, cls: type[Record], where: Rule) -> Iterable[str]:
        if "frames" in self._store.capabilities:
            return iter(self._store.frame(cls, where, columns=["id"])["id"])
        return (each.id for each in self._store.every(cls, where))

    def _asked(self, its: Segment, known: tuple[Segment, ...]) -> Rule:
        """The rule of a segment, which fits the class of its customers."""
        cls = self._class_of(its)
        rule = with_segments(in_segment(its.id), known, cls)
        if problems := rule.check(cls, self._crm.custom_fields, self._store.classes):
            raise InvalidInput(f"the segment {its.name!r}: {'; '.join(problems)}")
        return rule

    def _class_of(self, its: Segment) -> type[Record]:
        classes = {each.__name__: each for each in self._store.classes if issubclass(each, Customer)}
        if its.subject not in classes:
            raise InvalidInput(
                f"the segment {its.name!r} is of {its.subject}, which are no customers; {choices(its.subject, classes)}"
            )
        return classes[its.subject]

    def _by_hand(
        self, move: Callable[[Segment, Iterable[str]], Segment], segment_id: str, ids: Iterable[str]
    ) -> Segment:
        with self._crm.transaction():
            return super().update(move(self.get(segment_id), ids))
