import type { Facets as Counts } from '../client/types.ts'
import { Choice } from '../parts/field.tsx'
import { plain } from '../parts/text.tsx'

type FacetName = Counts[number]['facet']

const LABELS = { keyword: 'Keyword', kind: 'Kind', rail: 'Paid by', license: 'Licence' } as const satisfies Record<
  FacetName,
  string
>

const NAMES = Object.keys(LABELS) as FacetName[]

/** What was chosen in each facet. */
export type Chosen = Partial<Record<FacetName, string>>

export interface FacetsProps {
  /** As the node's index counts them. */
  counts: Counts
  chosen: Chosen
  onChoose: (chosen: Chosen) => void
}

export function Facets({ counts, chosen, onChoose }: FacetsProps) {
  return (
    <div class="facets">
      {NAMES.map((name) => {
        const values = counts.filter(({ facet }) => facet === name)
        const { [name]: value = '', ...rest } = chosen
        if (values.length === 0 && value === '') return null
        // What was chosen stays in sight when nothing has it any more.
        const gone = value === '' || values.some((one) => one.value === value) ? [] : [{ value, count: 0 }]
        return (
          <Choice
            key={name}
            label={LABELS[name]}
            value={value}
            options={[
              ['', 'all'] as const,
              ...[...values, ...gone].map((one) => [one.value, `${plain(one.value, 40)} (${one.count})`] as const)
            ]}
            onValue={(next) => onChoose(next === '' ? rest : { ...rest, [name]: next })}
          />
        )
      })}
    </div>
  )
}
