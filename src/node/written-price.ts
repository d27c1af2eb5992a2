import { DdmError, type PriceUnit } from '../interface/index.ts'

/** A price as people write it: whole tokens per so many records or KiB. */
export interface WrittenPrice {
  /** With its currency, if one is named: `0.01 IOTA`. */
  price: string
  per: { unit: PriceUnit; count: number }
}

/**
 * Reads `0.0001/record`, `0.02/100 records`, `0.001/KiB`, `0.01 IOTA/record`; without a unit it is per record.
 *
 * @example
 * ```ts
 * parsePrice('0.02/100 records') // { price: '0.02', per: { unit: 'record', count: 100 } }
 * ```
 */
export function parsePrice(text: string): WrittenPrice {
  const match =
    /^\s*([0-9]+(?:\.[0-9]+)?(?:\s+[a-z][a-z0-9.]{1,15})?)\s*(?:\/\s*(?:([1-9][0-9]{0,14})\s*)?(records?|kib))?\s*$/i.exec(
      text
    )
  const price = match?.[1]
  if (price === undefined) {
    throw new DdmError(
      'usage',
      `price "${text}" is not a price; write it like 0.0001/record, 0.02/100 records, 0.001/KiB or "0.01 IOTA/record"`
    )
  }
  const unit = match?.[3]?.toLowerCase() === 'kib' ? 'KiB' : 'record'
  return { price, per: { unit, count: Number(match?.[2] ?? 1) } }
}
