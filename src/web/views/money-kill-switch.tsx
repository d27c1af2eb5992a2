import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Wallet } from '../client/types.ts'
import { Action } from '../parts/action.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { Problem } from '../parts/problem.tsx'

/** Stopping takes one press; only starting again is asked about. */
export function KillSwitch({ wallet: { frozen }, onChange }: { wallet: Wallet; onChange: () => void }) {
  const [error, setError] = useState<unknown>(undefined)
  const freeze = async (): Promise<void> => {
    await api.freeze()
    onChange()
  }
  const unfreeze = async (): Promise<void> => {
    await api.unfreeze()
    onChange()
  }
  return (
    <>
      <span role="status">{frozen ? <strong>Frozen: nothing is signed.</strong> : ''}</span>
      {frozen ? (
        <Confirm key="unfreeze" act={unfreeze} onError={setError} ask="Sign again, within the caps">
          Unfreeze
        </Confirm>
      ) : (
        <Action key="freeze" kind="danger" act={freeze} onError={setError}>
          Freeze all payments
        </Action>
      )}
      <Problem error={error} />
    </>
  )
}
