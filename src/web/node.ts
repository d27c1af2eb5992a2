import { signal } from '@preact/signals'
import { type Currency, currencyOf } from '../interface/index.ts'
import type { NodeInfo, RailName } from './client/types.ts'

/** The node that serves this page. */
export const node = signal<NodeInfo | undefined>(undefined)

/** What a rail pays in. */
export function currency(rail: RailName = 'evm'): Currency {
  const known = node.value
  return known === undefined ? { symbol: '', decimals: 0 } : currencyOf(known.profile, rail)
}
