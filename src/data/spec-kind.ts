/** What stands before the first colon, and after it. */
export function specKind(spec: string): { kind: string; rest: string | undefined } {
  const colon = spec.indexOf(':')
  return colon === -1 ? { kind: spec, rest: undefined } : { kind: spec.slice(0, colon), rest: spec.slice(colon + 1) }
}
