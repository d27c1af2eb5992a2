import type { RailName } from '../client/types.ts'
import { node } from '../node.ts'
import { explorerUrl } from './explorer.ts'
import { Hash } from './hash.tsx'

/** A transaction: a link where the network profile names an explorer, and in any case its hash to copy. */
export function Transaction({ hash, rail = 'evm' }: { hash: string; rail?: RailName | undefined }) {
  const url = node.value === undefined ? undefined : explorerUrl(node.value.profile, rail, hash)
  return (
    <span class="ledger">
      <Hash value={hash} name="transaction" />
      {url === undefined ? null : (
        <a href={url} target="_blank" rel="noreferrer">
          on the ledger
        </a>
      )}
    </span>
  )
}
