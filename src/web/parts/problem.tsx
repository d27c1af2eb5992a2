import { Text } from './text.tsx'

/** What a person at the page can do; the detail says what was wrong. */
const ADVICE: Readonly<Record<string, string>> = {
  offline: 'Is it still running? Start it with “ddm start” and reload this page.',
  unreachable: 'The other side may be offline. Try again in a moment, or look for another seller.',
  notFound: 'It may have been retired, or belong to another network.',
  budget: 'Raise the cap under Money if you mean to spend that much.',
  funds: 'Send tokens to the account shown under Money, or buy less.',
  priceAboveLimit: 'Give a higher budget, or buy less.',
  refused: 'A higher risk may help, or to end other purchases from this seller first.',
  keyLocked: 'The node has no open key. Restart it with its passphrase.',
  networkMismatch: 'The node is joined to another network than its chain. Check its profile.',
  chain: 'The chain did not take it. Try again; “ddm doctor” looks for the cause.',
  schema: 'The data is not what the listing promises: better do not buy it.',
  usage: 'Change what is named above and try again.',
  internal: 'The log of the node says more.'
}

export function Problem({ error }: { error: unknown }) {
  if (error === undefined) return null
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'internal'
  const message = error instanceof Error ? error.message : 'it is not known why'
  const advice = ADVICE[code]
  return (
    <div class="problem" role="alert">
      <strong>That did not work.</strong> <Text max={600}>{message}</Text>
      {advice === undefined ? null : <p>{advice}</p>}
    </div>
  )
}
