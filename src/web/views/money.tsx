import { api } from '../client/api.ts'
import type { Wallet } from '../client/types.ts'
import { useResource } from '../client/use-resource.ts'
import { node } from '../node.ts'
import { Loading } from '../parts/empty.tsx'
import { Facts } from '../parts/facts.tsx'
import { Hash } from '../parts/hash.tsx'
import { Money } from '../parts/money.tsx'
import { Page } from '../parts/page.tsx'
import { Problem } from '../parts/problem.tsx'
import { BudgetForm } from './money-budget.tsx'
import { Channels } from './money-channels.tsx'
import { KillSwitch } from './money-kill-switch.tsx'
import { Receipts } from './money-receipts.tsx'

const LOOK_MS = 3000

/** What the node has, may spend and is owed; and the switch that ends all spending. */
export function MoneyView() {
  const wallet = useResource((options) => api.wallet(options), [], { every: LOOK_MS })
  const channels = useResource((options) => api.channels(options), [], { every: LOOK_MS })
  const receipts = useResource((options) => api.receipts(options), [], { every: LOOK_MS })
  const { value } = wallet
  return (
    <Page
      title="Money"
      actions={value === undefined ? undefined : <KillSwitch wallet={value} onChange={wallet.reload} />}
    >
      <Problem error={wallet.error} />
      {value === undefined ? wallet.error === undefined ? <Loading /> : null : <Balances of={value} />}
      {value === undefined ? null : <BudgetForm wallet={value} onChange={wallet.reload} />}
      <Problem error={channels.error} />
      <Channels channels={channels.value} onChange={channels.reload} />
      <Problem error={receipts.error} />
      <Receipts receipts={receipts.value} />
    </Page>
  )
}

/** Coins of an EVM chain, for fees. */
const NATIVE_DECIMALS = 18

function Balances({ of: { account, native, token, spent, budget, iota } }: { of: Wallet }) {
  return (
    <Facts
      of={[
        ['Account', <Hash key="account" value={account} name="account" />],
        ['Tokens', <Money key="token" amount={token} />],
        ['Coins for fees', coins(native)],
        ['Spent in the last hour', <Of key="hour" spent={spent.hour} cap={budget.perHour} />],
        ['Spent in the last day', <Of key="day" spent={spent.day} cap={budget.perDay} />],
        ['IOTA account', iota === undefined ? undefined : <Hash key="iota" value={iota.account} name="IOTA account" />],
        ['IOTA', iota === undefined ? undefined : <Money key="iota" amount={iota.balance} rail="iota" />],
        ['Network', node.value?.profile.name]
      ]}
    />
  )
}

function coins(native: string): string {
  const digits = native.padStart(NATIVE_DECIMALS + 1, '0')
  return `${digits.slice(0, -NATIVE_DECIMALS)}.${digits.slice(-NATIVE_DECIMALS).slice(0, 4)}`
}

function Of({ spent, cap }: { spent: string; cap: string }) {
  return (
    <>
      <Money amount={spent} /> of <Money amount={cap} />
    </>
  )
}
