const SKIPPED = [];

/** Why a spec of this full name is skipped; undefined when it runs. */
export const reasonToSkip = (name) => SKIPPED.find(({ match }) => name.includes(match))?.reason;
