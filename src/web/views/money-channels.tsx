import { useState } from 'preact/hooks'
import { api } from '../client/api.ts'
import type { Channel, Claimed } from '../client/types.ts'
import { Action } from '../parts/action.tsx'
import { Confirm } from '../parts/confirm.tsx'
import { Empty } from '../parts/empty.tsx'
import { Hash } from '../parts/hash.tsx'
import { Transaction } from '../parts/ledger-link.tsx'
import { Money } from '../parts/money.tsx'
import { Problem } from '../parts/problem.tsx'
import { Table } from '../parts/table.tsx'

export interface ChannelsProps {
  channels: readonly Channel[] | undefined
  onChange: () => void
}

/** Deposits with sellers, and those of buyers here: what was paid out of them, and how to get it. */
export function Channels({ channels, onChange }: ChannelsProps) {
  const [error, setError] = useState<unknown>(undefined)
  const [claimed, setClaimed] = useState<Claimed | undefined>(undefined)
  if (channels === undefined) return null
  const owed = channels
    .filter(({ role }) => role === 'payee')
    .reduce((sum, { unclaimed }) => sum + BigInt(unclaimed), 0n)
  const claim = async (): Promise<void> => {
    setClaimed(await api.claim())
    onChange()
  }
  return (
    <section class="stack">
      <h2>Channels and claims</h2>
      <Problem error={error} />
      <div class="actions">
        <span>
          Earned and not claimed yet: <Money amount={owed} />
        </span>
        <Action act={claim} onError={setError} disabled={owed === 0n}>
          Claim
        </Action>
        <span role="status">{claimed === undefined ? '' : <Taken of={claimed} />}</span>
      </div>
      {channels.length === 0 ? (
        <Empty title="No channels">
          The first purchase from a seller opens one: a deposit that is paid out of per record.
        </Empty>
      ) : (
        <Table
          caption="Channels"
          columns={['Channel', 'You', 'With', 'Deposit', 'Paid', 'Claimed', 'Unspent', 'Take back']}
          rows={channels.map((channel) => ({
            key: `${channel.role} ${channel.channelId}`,
            cells: [
              <Hash key="id" value={channel.channelId} name="channel ID" />,
              channel.role === 'payer' ? 'pay' : 'are paid',
              <Hash key="with" value={channel.counterparty} name="counterparty" />,
              <Money key="balance" amount={channel.balance} />,
              <Money key="paid" amount={channel.paid} />,
              <Money key="claimed" amount={channel.claimed} />,
              <Money key="unspent" amount={channel.unspent} />,
              <TakeBack key="back" of={channel} onError={setError} onChange={onChange} />
            ]
          }))}
        />
      )}
    </section>
  )
}

function Taken({ of: { claimed, transactions, rejected } }: { of: Claimed }) {
  return (
    <>
      <Money amount={claimed} /> claimed{' '}
      {transactions.map((hash) => (
        <Transaction key={hash} hash={hash} />
      ))}
      {rejected.length === 0 ? '' : ` ${rejected.length} vouchers were rejected`}
    </>
  )
}

interface TakeBackProps {
  of: Channel
  onError: (error: unknown) => void
  onChange: () => void
}

function TakeBack({
  of: { channelId, role, unspent, pendingWithdrawal, finalizeAfter },
  onError,
  onChange
}: TakeBackProps) {
  const move = (how: 'withdraw' | 'finish' | 'refund') => async (): Promise<void> => {
    await api.moveChannel(channelId, how)
    onChange()
  }
  if (pendingWithdrawal !== '0' && role === 'payer') {
    const at = Number(finalizeAfter) * 1000
    return at > Date.now() ? (
      <>after {new Date(at).toLocaleString()}</>
    ) : (
      <Action act={move('finish')} onError={onError}>
        Finish
      </Action>
    )
  }
  if (unspent === '0') return null
  return (
    <span class="actions">
      <Action act={move('refund')} onError={onError}>
        {role === 'payer' ? 'Ask the seller' : 'Pay back'}
      </Action>
      {role === 'payer' ? (
        <Confirm act={move('withdraw')} onError={onError} ask="Ask the ledger: it takes its delay">
          Without the seller
        </Confirm>
      ) : null}
    </span>
  )
}
