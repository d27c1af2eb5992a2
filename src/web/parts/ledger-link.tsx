import { node } from '../node.ts'
import { Hash } from './hash.tsx'

/** Where people look at public chains, by EIP-155 chain ID; a local chain has no such place. */
const EXPLORERS: Readonly<Record<number, string>> = {
  1: 'https://etherscan.io',
  10: 'https://optimistic.etherscan.io',
  137: 'https://polygonscan.com',
  8453: 'https://basescan.org',
  42161: 'https://arbiscan.io',
  84532: 'https://sepolia.basescan.org',
  11155111: 'https://sepolia.etherscan.io'
}

/** A transaction: a link where an explorer of its chain is known, and in any case its hash to copy. */
export function Transaction({ hash }: { hash: string }) {
  const explorer = EXPLORERS[node.value?.profile.chain.id ?? 0]
  return (
    <span class="ledger">
      <Hash value={hash} name="transaction" />
      {explorer === undefined ? null : (
        <a href={`${explorer}/tx/${encodeURIComponent(hash)}`} target="_blank" rel="noreferrer">
          on the ledger
        </a>
      )}
    </span>
  )
}
