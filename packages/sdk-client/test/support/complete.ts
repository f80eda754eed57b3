/** Compiles only if `Covered` names everything of `All`: a table that was not given a new state or event is an error of the type check. */
export function complete<All, Covered extends All>(
  ..._missing: [Exclude<All, Covered>] extends [never] ? [] : [Exclude<All, Covered>]
): void {}
