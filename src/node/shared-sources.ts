import { teeSource } from '../data/index.ts'
import type { ProductDescription } from './product.ts'
import type { SellOptions } from './types.ts'

/**
 * Products whose descriptions name the same source get one that is read once for all of them. A file that can be read again
 * is left as it is: each product reads it for itself.
 *
 * @param described - what `products` were made from, in the same order
 */
export function shareSources(
  described: readonly ProductDescription[],
  products: readonly SellOptions[]
): SellOptions[] {
  const sharing = Map.groupBy(products.keys(), (index) => nameOf(described[index], index))
  const shared = [...products]
  for (const indexes of sharing.values()) {
    const [first] = indexes
    const source = first === undefined ? undefined : products[first]?.source
    if (source === undefined || indexes.length < 2 || source.fingerprint !== undefined) continue
    const branches = teeSource(source, indexes.length)
    for (const [branch, index] of indexes.entries()) {
      shared[index] = { ...(products[index] as SellOptions), source: branches[branch] ?? source }
    }
  }
  return shared
}

/** What makes a source what it is. */
function nameOf(product: ProductDescription | undefined, index: number): string {
  const { source, onError, period } = product ?? {}
  return JSON.stringify(source === undefined ? index : [source, onError ?? 'stop', period ?? null])
}
