import type { ComponentChildren } from 'preact'

/** Names and what they are; entries that are undefined are left out. */
export function Facts({ of }: { of: ReadonlyArray<readonly [name: string, value: ComponentChildren]> }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}
