import type { FacetName, ListingDocument } from '../interface/index.ts'

/** What a listing is found under in each facet. */
export function facetsOf({ keywords = [], cadence, payment, license }: ListingDocument): Array<[FacetName, string]> {
  const values: Record<FacetName, ReadonlyArray<string | undefined>> = {
    keyword: keywords,
    kind: [cadence?.mode],
    rail: payment.map(({ rail }) => rail),
    license: [license?.spdx]
  }
  return Object.entries(values).flatMap(([facet, all]) =>
    all.flatMap((value): Array<[FacetName, string]> => (value === undefined ? [] : [[facet as FacetName, value]]))
  )
}
