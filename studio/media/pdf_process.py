"""`python -m studio.media.pdf_process SOURCE TARGET`: one PDF is read, cleaned and written anew, within bounds.

Nothing else runs in this process, and nothing else imports this module.
"""

import json
import resource
import sys
from collections.abc import Iterable
from enum import IntEnum

import pikepdf
import pikepdf.settings

from studio.media import jpeg
from studio.media.pdf import Ending

_CPU_SECONDS = 20
_MEMORY = 768_000_000
"""How much address space there may be; an ordinary file of 20 MB needs a third of it."""
_LARGEST_RESULT = 64_000_000
_UNPACKED = 100_000_000
_MOST_OBJECTS = 300_000
_MOST_WARNINGS = 1_000

_TOLD = frozenset(
    {
        *("/Metadata", "/PieceInfo", "/LastModified", "/Author", "/Creator", "/CreatorInfo", "/Producer", "/Threads"),
        *("/Perms", "/DSS", "/Legal", "/SpiderInfo", "/URLS", "/IDS"),
    }
)
"""XMP, what programs keep for themselves, who wrote and signed it, and what it was made from."""
_RUNS = frozenset({"/AA", "/OpenAction", "/JavaScript", "/JS", "/XFA", "/Requirements"})
_HIDES = frozenset({"/EmbeddedFiles", "/AF", "/EF", "/RF", "/Collection", "/RichMediaContent", "/RichMediaSettings"})
_ACTIONS = frozenset(
    {
        *("/JavaScript", "/Launch", "/SubmitForm", "/ImportData", "/GoToE", "/GoToR", "/Thread"),
        *("/Rendition", "/Movie", "/Sound", "/RichMediaExecute", "/GoTo3DView"),
    }
)
"""What a click may not do: anything but to go to another page, or to an address that the reader is shown."""
_PLAYERS = frozenset({"/FileAttachment", "/RichMedia", "/Movie", "/Sound", "/Screen", "/3D"})
_SIGNED = ("/Name", "/Location", "/Reason", "/ContactInfo", "/Contents", "/Cert", "/M", "/ByteRange", "/Prop_Build")
_REMARKED = ("/T", "/M", "/CreationDate", "/NM")
"""Who wrote a remark, and when. In a field of a form `/T` is its name."""
_ELSEWHERE = ("/F", "/FFilter", "/FDecodeParms")
"""Where a stream lies that is not in the file."""
_NAMED = frozenset(
    {
        *("/Font", "/XObject", "/ExtGState", "/ColorSpace", "/Pattern", "/Shading", "/Properties", "/CharProcs"),
        *("/Dests", "/RoleMap", "/ClassMap", "/Colorants"),
    }
)
"""Dictionaries whose keys are names that somebody gave, and mean nothing by themselves."""
_BOX = 8
_FREE_BOX = b"free"
_TOLD_BOXES = frozenset({b"uuid", b"xml "})


class _Keys(IntEnum):
    """What the keys of a dictionary are."""

    MEANT = 0
    NAMES = 1
    APPEARANCES = 2
    """Names again, but one level below."""


class _Cleaner:
    """One walk through all that hangs together, from the trailer on."""

    def __init__(self, document: pikepdf.Pdf) -> None:
        self.document = document
        self.had_active = False
        self.had_files = False
        self._seen: set[tuple[tuple[int, int], _Keys]] = set()
        self._waiting: list[tuple[pikepdf.Object, _Keys]] = []

    def clean(self) -> None:
        """Raises MemoryError where more hangs together than anybody would look through."""
        trailer = self.document.trailer
        for key in set(trailer.keys()) - {"/Root", "/Size"}:
            del trailer[key]
        self._later(trailer["/Root"], _Keys.MEANT)
        left = _MOST_OBJECTS
        while self._waiting:
            found, keys = self._waiting.pop()
            if found.is_indirect:
                # The same one may hang where its keys are names, and where they are meant.
                if (found.objgen, keys) in self._seen:
                    continue
                self._seen.add((found.objgen, keys))
            left -= 1
            if left < 0:
                raise MemoryError
            self._look(found, keys)

    def _look(self, found: pikepdf.Object, keys: _Keys) -> None:
        if isinstance(found, pikepdf.Array):
            for item in found:
                self._later(item, _Keys.MEANT)
            return
        if isinstance(found, pikepdf.Stream):
            keys = _Keys.MEANT
            _drop(found, _ELSEWHERE)
            self._picture(found)
        if keys is _Keys.MEANT:
            self._dictionary(found)
        for key, value in found.items():
            if keys is _Keys.APPEARANCES or (keys is _Keys.MEANT and key in _NAMED):
                self._later(value, _Keys.NAMES)
            else:
                self._later(value, _Keys.APPEARANCES if key == "/AP" else _Keys.MEANT)

    def _later(self, value: object, keys: _Keys) -> None:
        if isinstance(value, (pikepdf.Array, pikepdf.Dictionary, pikepdf.Stream)):
            self._waiting.append((value, keys))

    def _dictionary(self, found: pikepdf.Object) -> None:
        _drop(found, _TOLD)
        self.had_active |= _drop(found, _RUNS)
        self.had_files |= _drop(found, _HIDES)
        kind, subtype = found.get("/Type"), found.get("/Subtype")
        if found.get("/S") in _ACTIONS and kind != "/StructElem" and "/K" not in found:
            self.had_active = True
            _drop(found, list(found.keys()))
        elif "/ByteRange" in found or kind in {"/Sig", "/DocTimeStamp"}:
            # Written anew, no signature would hold; and who signed where and why stands in it.
            _drop(found, _SIGNED)
        elif "/Rect" in found and subtype != "/Widget":
            _drop(found, _REMARKED)
        notes = found.get("/Annots")
        if isinstance(notes, pikepdf.Array):
            kept = [note for note in notes if not _is_player(note)]
            if len(kept) < len(notes):
                self.had_files = True
                found["/Annots"] = pikepdf.Array(kept)

    def _picture(self, found: pikepdf.Object) -> None:
        """Camera data and places in a JPEG or a JPEG 2000 are gone."""
        filters = found.get("/Filter")
        names = list(filters) if isinstance(filters, pikepdf.Array) else [filters]
        if not names or names[-1] not in {"/DCTDecode", "/JPXDecode"}:
            return
        data = found.read_raw_bytes()
        if len(names) > 1:
            # What was packed once more is unpacked down to the picture.
            packed = self.document.make_stream(data)
            packed["/Filter"] = pikepdf.Array(names[:-1])
            data = packed.read_bytes()
        clean = jpeg.bare(data) if names[-1] == "/DCTDecode" else _bare_boxes(data)
        if clean != data:
            parameters = found.get("/DecodeParms")
            if isinstance(parameters, pikepdf.Array) and len(parameters):
                parameters = parameters[-1]
            found.write(
                clean,
                filter=pikepdf.Name(str(names[-1])),
                decode_parms=parameters if isinstance(parameters, pikepdf.Dictionary) else None,
            )


def _drop(found: pikepdf.Object, keys: Iterable[str]) -> bool:
    """The dictionary has none of the keys any more; whether it had one."""
    held = [key for key in keys if key in found]
    for key in held:
        del found[key]
    return bool(held)


def _is_player(note: object) -> bool:
    return isinstance(note, pikepdf.Dictionary) and note.get("/Subtype") in _PLAYERS


def _bare_boxes(data: bytes) -> bytes:
    """The JPEG 2000 of the same length, its boxes of XML and of other programs blanked."""
    out = bytearray(data)
    position = 0
    while position + _BOX <= len(out):
        size = int.from_bytes(out[position : position + 4])
        if size < _BOX:
            # The last one, a box of more than four gigabytes, or no box at all.
            break
        if bytes(out[position + 4 : position + _BOX]) in _TOLD_BOXES:
            end = min(position + size, len(out))
            out[position + 4 : end] = _FREE_BOX + bytes(end - position - _BOX)
        position += size
    return bytes(out)


def main(source: str, target: str) -> int:
    """The process itself: the cleaned file is at `target`, and standard output says what was in it; or one of `Ending`."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_RESULT, _LARGEST_RESULT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pikepdf.settings.set_qpdf_limits(
        doc_max_warnings=_MOST_WARNINGS,
        flate_max_memory=_UNPACKED,
        png_max_memory=_UNPACKED,
        run_length_max_memory=_UNPACKED,
        tiff_max_memory=_UNPACKED,
    )
    try:
        with pikepdf.open(source, suppress_warnings=True) as document:
            if document.is_encrypted:
                return Ending.LOCKED
            cleaner = _Cleaner(document)
            cleaner.clean()
            if not document.pages:
                return Ending.DAMAGED
            document.save(
                target,
                preserve_pdfa=False,
                fix_metadata_version=False,
                stream_decode_level=pikepdf.StreamDecodeLevel.none,
                # Equal files give equal bytes, so that duplicates are found.
                deterministic_id=True,
            )
    except pikepdf.PasswordError:
        return Ending.LOCKED
    except (MemoryError, OSError):
        return Ending.TOO_MUCH
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, RuntimeError):
        return Ending.DAMAGED
    sys.stdout.write(json.dumps({"had_active": cleaner.had_active, "had_files": cleaner.had_files}))
    return Ending.FREED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
