import type { Listing } from '../client/types.ts'
import { Choice } from '../parts/field.tsx'
import { plain } from '../parts/text.tsx'

const FACETS = {
  keyword: { label: 'Keyword', of: ({ document: { keywords = [] } }: Listing) => keywords },
  kind: { label: 'Kind', of: ({ document: { cadence } }: Listing) => (cadence === undefined ? [] : [cadence.mode]) },
  paid: { label: 'Paid by', of: ({ document: { payment } }: Listing) => payment.map(({ rail }) => rail) },
  licence: {
    label: 'Licence',
    of: ({ document: { license } }: Listing) => (license?.spdx === undefined ? [] : [license.spdx])
  }
} as const satisfies Record<string, { label: string; of: (listing: Listing) => readonly string[] }>

type FacetName = keyof typeof FACETS

/** What was chosen in each facet. */
export type Chosen = Partial<Record<FacetName, string>>

/** How often each value occurs, the most frequent first. */
export type FacetCounts = Record<FacetName, Array<readonly [value: string, count: number]>>

/** More than this nobody looks through. */
const MAX_VALUES = 30

const NAMES = Object.keys(FACETS) as FacetName[]

export function facetsOf(listings: readonly Listing[]): FacetCounts {
  return Object.fromEntries(NAMES.map((name) => [name, countsOf(listings, name)])) as FacetCounts
}

function countsOf(listings: readonly Listing[], name: FacetName): Array<readonly [string, number]> {
  const counts = new Map<string, number>()
  for (const listing of listings) {
    for (const value of new Set<string>(FACETS[name].of(listing))) counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, MAX_VALUES)
}

export function fits(listing: Listing, chosen: Chosen): boolean {
  return NAMES.every((name) => {
    const value = chosen[name]
    const of: readonly string[] = FACETS[name].of(listing)
    return value === undefined || of.includes(value)
  })
}

export interface FacetsProps {
  facets: FacetCounts
  chosen: Chosen
  onChoose: (chosen: Chosen) => void
}

export function Facets({ facets, chosen, onChoose }: FacetsProps) {
  return (
    <div class="facets">
      {NAMES.filter((name) => facets[name].length > 0 || chosen[name] !== undefined).map((name) => (
        <Choice
          key={name}
          label={FACETS[name].label}
          value={chosen[name] ?? ''}
          options={[
            ['', 'all'] as const,
            ...facets[name].map(([value, count]) => [value, `${plain(value, 40)} (${count})`] as const)
          ]}
          onValue={(value) => {
            const { [name]: _, ...rest } = chosen
            onChoose(value === '' ? rest : { ...rest, [name]: value })
          }}
        />
      ))}
    </div>
  )
}
