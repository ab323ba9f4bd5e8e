"""Edit the MIDI file that music was read from. Everything is kept but what is edited."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symbolic.errors import MusicFileError
from symbolic.music.files import MIDI_SUFFIXES
from symbolic.music.midi.container import unwrapped
from symbolic.music.midi.events import (
    INSTRUMENT_NAME,
    META,
    NOTE_OFF,
    NOTE_ON,
    SYSTEM,
    TRACK_NAME,
    Event,
    MidiEvents,
    is_release,
    is_strike,
    meta,
    meta_content,
    read_events,
)
from symbolic.music.midi.percussion import DrumChannels
from symbolic.music.midi.repair import Note, borrowed_programs, decoded, notes_of, with_closed_notes
from symbolic.music.midi.writer import midi_bytes
from symbolic.music.notes import Music

_TICK = itemgetter(0)
_FIRST, _BETWEEN, _LAST = range(3)
"""Order of events at one time: releases of new notes, events that were there, strikes of new notes."""
_Owner = tuple[int, int]
"""A track and a channel in it."""


class MidiEdit:
    """The events of a MIDI file, to be changed and written again.

    Music that was not read from MIDI, or was changed since, is made into events first.

    Args:
        music: The music. The file at its `path` is read again.

    Attributes:
        of_file: Whether the events are those of that file, and not made of the notes.

    Raises:
        MusicFileError: If MIDI cannot hold the music.
    """

    def __init__(self, music: Music) -> None:
        content = _content_of(music)
        opened = None if content is None else _opened(content, music)
        self.of_file = opened is not None
        opened = opened or _opened(midi_bytes(music), music)
        assert opened is not None, "notes are read as they were written"
        self._file, self._places = opened
        self._drums = DrumChannels(self._file.tracks)

    def set_velocities(self, velocities: NDArray[np.integer]) -> None:
        """Set the (N,) velocities of the notes. 0 becomes 1, because MIDI ends notes by it."""
        for (track, note), velocity in zip(self._places, np.maximum(velocities, 1).tolist(), strict=True):
            events = self._file.tracks[track]
            tick, event = events[note.strike]
            events[note.strike] = tick, bytes([*event[:2], velocity])

    def add(self, tick: int, event: bytes) -> None:
        """Add an event to the first track, after those of the same tick."""
        events = self._file.tracks[0]
        events.append((tick, event))
        events.sort(key=_TICK)

    def split(self, classes: NDArray[np.integer], names: Sequence[str]) -> None:
        """Move the notes of each class to tracks of its own.

        Notes of the last class stay on their tracks, and so do drums. On a track that is named after a class, the
        notes of that class stay instead. A new track has the channels of its notes, with their programs, controllers
        and bends: it sounds as before. Where two tracks share a channel, a class has two new tracks. A track without a
        name takes that of the notes that stay.

        Args:
            classes: (N,) class of each note; notes of class -1 stay.
            names: Names of the classes.
        """
        stays = [_class_of_track(events, names) for events in self._file.tracks]
        moved: list[dict[_Owner, list[Note]]] = [{} for _ in names]
        for (track, note), kind in zip(self._places, classes.tolist(), strict=True):
            drum = self._drums.plays_drums(track, note.channel, note.onset)
            if kind >= 0 and kind != stays[track] and not drum:
                moved[kind].setdefault((track, note.channel), []).append(note)
        state = self._channel_state()
        new = [
            [(0, meta(TRACK_NAME, name.encode())), *self._moved(track, state)]
            for name, own in zip(names, moved, strict=True)
            for track in _without_shared_channels(own)
        ]
        self._remove(moved)
        for index in {
            track for (track, _), kind in zip(self._places, classes.tolist(), strict=True) if kind >= 0
        }:
            events = self._file.tracks[index]
            if not _name_of(events) and any(is_strike(event) for _, event in events):
                events.insert(0, (0, meta(TRACK_NAME, names[stays[index]].encode())))
        self._file.ends += [max([0, *self._file.ends])] * len(new)
        self._file.tracks += new
        self._file.kind = 1 if new else self._file.kind

    def exchange(self, gone: NDArray[np.bool_], notes: NDArray[np.void], like: NDArray[np.integer]) -> None:
        """Take notes out and put others in. This is the last edit, because notes are not the same afterwards.

        Args:
            gone: (N,) bool, the notes to take out.
            notes: (M,) array of dtype `NOTE`, the notes to put in.
            like: (M,) index of the note whose track and channel each of them gets.
        """
        removed, added = self._without(gone), dict[int, list[tuple[int, int, bytes]]]()
        ends = notes["onset"] + np.maximum(notes["duration"], 1)
        columns = (notes["onset"], ends, notes["pitch"], np.maximum(notes["velocity"], 1), like)
        for onset, end, pitch, velocity, model in zip(*(column.tolist() for column in columns), strict=True):
            track, note = self._places[model]
            strike = onset, _LAST, bytes([NOTE_ON | note.channel, pitch, velocity])
            release = end, _FIRST, bytes([NOTE_OFF | note.channel, pitch, 0])
            added.setdefault(track, []).extend((strike, release))
        for track, own in added.items():
            kept = [(tick, _BETWEEN, event) for tick, event in removed[track]]
            merged = sorted([*own, *kept], key=itemgetter(0, 1))
            removed[track] = [(tick, event) for tick, _, event in merged]
        self._file.tracks[:] = removed

    def _without(self, gone: NDArray[np.bool_]) -> list[list[Event]]:
        """Return the events of each track without those of some notes."""
        indices: list[set[int]] = [set() for _ in self._file.tracks]
        for index in np.flatnonzero(gone).tolist():
            track, note = self._places[index]
            indices[track].update((note.strike, note.release))
        return [
            [event for index, event in enumerate(events) if index not in own]
            for events, own in zip(self._file.tracks, indices, strict=True)
        ]

    def to_bytes(self) -> bytes:
        """Return the file as bytes."""
        return self._file.to_bytes()

    def _channel_state(self) -> dict[_Owner, list[tuple[int, int, bytes]]]:
        """Return what channels hold besides notes: time, index in its track, and event."""
        found: dict[_Owner, list[tuple[int, int, bytes]]] = {}
        borrowed = borrowed_programs(self._file.tracks)
        for track, events in enumerate(self._file.tracks):
            listed = [*((-1, event) for event in borrowed[track]), *enumerate(events)]
            for index, (tick, event) in listed:
                if event[0] < SYSTEM and not is_strike(event) and not is_release(event):
                    found.setdefault((track, event[0] & 0x0F), []).append((tick, index, event))
        return found

    def _moved(
        self, notes: dict[_Owner, list[Note]], state: dict[_Owner, list[tuple[int, int, bytes]]]
    ) -> list[Event]:
        """Return the events of notes and of their channels, in their order."""
        found = []
        for (track, channel), own in notes.items():
            events = self._file.tracks[track]
            indices = [index for note in own for index in (note.strike, note.release)]
            of_notes = [(events[index][0], index, events[index][1]) for index in indices]
            found += [
                (tick, track, index, event)
                for tick, index, event in of_notes + state.get((track, channel), [])
            ]
        return [(tick, event) for tick, _, _, event in sorted(found)]

    def _remove(self, moved: Sequence[dict[_Owner, list[Note]]]) -> None:
        """Take moved notes out of their tracks."""
        gone: list[set[int]] = [set() for _ in self._file.tracks]
        for own in moved:
            for (track, _), notes in own.items():
                gone[track].update(index for note in notes for index in (note.strike, note.release))
        for track, indices in enumerate(gone):
            if indices:
                self._file.tracks[track] = [
                    event for index, event in enumerate(self._file.tracks[track]) if index not in indices
                ]


def _content_of(music: Music) -> bytes | None:
    """Return the MIDI file that music was read from, or None where there is none any more."""
    if Path(music.path).suffix.lower() not in MIDI_SUFFIXES:
        return None
    try:
        return unwrapped(Path(music.path).read_bytes(), music.path)[0]
    except (OSError, MusicFileError):
        return None


def _opened(content: bytes, music: Music) -> tuple[MidiEvents, list[tuple[int, Note]]] | None:
    """Return the events of a file, and the track and the place of each note of the music.

    Returns:
        None if the file has other notes than the music. Their lengths may differ, by the sustain pedal.
    """
    try:
        file = with_closed_notes(read_events(content, music.path or "music"))
    except MusicFileError:
        return None
    drums = DrumChannels(file.tracks)
    places = [(track, note) for track, events in enumerate(file.tracks) for note in notes_of(events)]
    if len(places) != len(music):
        return None
    columns = np.array(
        [
            (
                note.onset,
                note.pitch,
                file.tracks[track][note.strike][1][2],
                drums.plays_drums(track, note.channel, note.onset),
                track,
                note.channel,
                note.end,
            )
            for track, note in places
        ],
        dtype=np.int64,
    ).reshape(-1, 7)
    theirs = np.lexsort(columns.T[::-1])
    notes = music.notes
    velocity = np.maximum(notes["velocity"], 1)
    # Tracks of music come from those of the file in order, and within one from its channels in order.
    ours = np.lexsort(
        (notes["duration"], notes["track"], music.drums, velocity, notes["pitch"], notes["onset"])
    )
    listed = np.stack([notes["onset"], notes["pitch"], velocity, music.drums], axis=1).astype(np.int64)
    if not np.array_equal(listed[ours], columns[theirs, :4]):
        return None
    matched = np.empty(len(music), dtype=np.int64)
    matched[ours] = theirs
    return file, [places[index] for index in matched.tolist()]


def _without_shared_channels(notes: dict[_Owner, list[Note]]) -> list[dict[_Owner, list[Note]]]:
    """Deal the notes of a class to as few tracks as possible, in which each channel is that of one track alone."""
    found: list[dict[_Owner, list[Note]]] = []
    for owner, own in notes.items():
        free = (track for track in found if owner[1] not in {channel for _, channel in track})
        target = next(free, None)
        if target is None:
            found.append(target := {})
        target[owner] = own
    return found


def _class_of_track(events: Sequence[Event], names: Sequence[str]) -> int:
    """Return the class after which a track is named, or the last one."""
    name = _name_of(events).strip().casefold()
    return next((index for index, one in enumerate(names) if one.casefold() == name), len(names) - 1)


def _name_of(events: Sequence[Event]) -> str:
    names = {
        event[1]: decoded(meta_content(event))
        for _, event in events
        if event[0] == META and event[1] in (TRACK_NAME, INSTRUMENT_NAME)
    }
    return names.get(TRACK_NAME) or names.get(INSTRUMENT_NAME, "")
