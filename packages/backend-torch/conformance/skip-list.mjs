/**
 * Specs of the official suite that this engine does not pass, each with its reason. There is none: an entry is
 * `{ match: part of the spec's full name, reason }`, and the run reports how many it left out.
 */
const SKIPPED = [];

/** Why a spec of this full name is skipped; undefined when it runs. */
export const reasonToSkip = (name) => SKIPPED.find(({ match }) => name.includes(match))?.reason;
