import type { Listing, PurchaseWish } from '../client/types.ts'

/** More than a person looks at before buying; `ddm sample` downloads all of them. */
export const SAMPLE_RECORDS = 100

/**
 * An order of the first records of the free range, at a maximum of nothing; undefined when the listing gives none away.
 * Whoever looks takes them, so that nothing is left in the node's own purchases.
 */
export function sampleWish({ id, document: { freeRange } }: Listing): PurchaseWish | undefined {
  if (freeRange === undefined) return undefined
  const { from, to } = freeRange
  const nothing = { units: '0' }
  return {
    listing: id,
    keep: 'caller',
    options: {
      from: `${from}`,
      records: `${Math.min(to - from, SAMPLE_RECORDS)}`,
      max: nothing,
      prepay: nothing,
      checkSchema: true
    }
  }
}

/** What the records that came say about the promise of the listing; a record that breaks it ends the purchase instead. */
export function sampleText({ document: { schema } }: Listing, records: number): string {
  const came = `${records} ${records === 1 ? 'record' : 'records'} came for nothing`
  if (records === 0) return 'No record came: the seller does not have the first ones any more, or not yet.'
  if (schema.jsonSchema === undefined) return `${came}; the listing has no JSON Schema to hold them against.`
  return `${came}; each keeps to the JSON Schema of the listing.`
}
