/**
 * The rooms of the reader, and how much in each is unread. It knows no DOM.
 *
 * Events: "changed" (something about the rooms), after each frame that changed something.
 */
import { Told } from "./events.js";

const byName = new Intl.Collator("en");

export class Inbox extends EventTarget {
  #rooms = new Map(); // slug -> {slug, name, kind, archived, lastSeq, lastRead}

  /** By name. */
  get rooms() {
    return [...this.#rooms.values()].sort((a, b) => byName.compare(a.name, b.name) || (a.slug < b.slug ? -1 : 1));
  }

  /** How many messages of a room the reader has not seen; 0 for a room that is not theirs. */
  unread(slug) {
    const room = this.#rooms.get(slug);
    return room ? Math.max(0, room.lastSeq - room.lastRead) : 0;
  }

  /** How much is unread in all rooms but that one. */
  unreadBeside(slug) {
    return [...this.#rooms.keys()].reduce((sum, each) => sum + (each === slug ? 0 : this.unread(each)), 0);
  }

  /** Takes what concerns the inbox from any frame, on whatever line it came. */
  hear(frame) {
    if (frame.type === Told.WELCOME) this.start(frame.rooms ?? []);
    if (frame.type === Told.ACTIVITY) this.#update(frame.room, { lastSeq: frame.last_seq });
    if (frame.type === Told.READ) this.#update(frame.room, { lastRead: frame.seq });
    if (frame.type === Told.ROOM) this.#take(frame.room);
    if (frame.type === Told.REVOKED) this.remove(frame.room);
  }

  /** All rooms of the reader: those that are not among them any more go. */
  start(rooms) {
    const known = this.#rooms;
    this.#rooms = new Map();
    for (const told of rooms) {
      const before = known.get(told.slug);
      const room = shaped(told, { lastSeq: 0, lastRead: 0 });
      // What was read here may still be on its way to the server. A room whose numbers went back is another one.
      if (before && before.lastSeq <= room.lastSeq) room.lastRead = Math.max(room.lastRead, before.lastRead);
      this.#rooms.set(room.slug, room);
    }
    this.#tell();
  }

  /** Messages of the room that is open: they count as any other, and whoever says something has read so far. */
  follow(slug, messages, me) {
    const own = messages.filter(({ author }) => author?.id === me);
    this.#update(slug, { lastSeq: highest(messages), lastRead: highest(own) });
  }

  /** The reader has seen a room up to the place `seq`. */
  read(slug, seq) {
    this.#update(slug, { lastSeq: seq, lastRead: seq });
  }

  /** The reader is not in that room any more. */
  remove(slug) {
    if (this.#rooms.delete(slug)) this.#tell();
  }

  /** A room that is new or has changed. Only those who are told their numbers get to know a room that is new. */
  #take(told) {
    const before = this.#rooms.get(told.slug);
    if (!before && told.last_seq === undefined) return;
    const room = shaped(told, before ?? { lastSeq: 0, lastRead: 0 });
    this.#rooms.set(room.slug, before ? { ...room, ...further(before, room) } : room);
    this.#tell();
  }

  /** Positions only grow: what comes late changes nothing. */
  #update(slug, numbers) {
    const room = this.#rooms.get(slug);
    if (!room) return;
    const { lastSeq, lastRead } = further(room, numbers);
    if (lastSeq === room.lastSeq && lastRead === room.lastRead) return;
    Object.assign(room, { lastSeq, lastRead });
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("changed"));
  }
}

/** A room as it is told, with the numbers it has so far where none are told. */
function shaped({ slug, name, kind, archived, last_seq, last_read }, { lastSeq, lastRead }) {
  return { slug, name, kind, archived, lastSeq: last_seq ?? lastSeq, lastRead: last_read ?? lastRead };
}

function further(a, b) {
  return {
    lastSeq: Math.max(a.lastSeq, b.lastSeq ?? 0),
    lastRead: Math.max(a.lastRead, b.lastRead ?? 0),
  };
}

function highest(messages) {
  return Math.max(0, ...messages.map(({ seq }) => seq));
}

/** A number as it fits a badge: beyond 99 nobody counts. */
export function shortCount(number) {
  return number > 99 ? "99+" : String(number);
}
