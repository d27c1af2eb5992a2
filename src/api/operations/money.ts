import Type from 'typebox'
import { operation } from '../operation.ts'
import { Money, Name } from '../schemas/common.ts'
import {
  ArrivedSchema,
  BalanceSchema,
  BudgetChangeSchema,
  ChannelSchema,
  ClaimSchema,
  MovedSchema,
  RefundSchema,
  WalletSchema,
  WithdrawalSchema
} from '../schemas/money.ts'
import { Empty } from '../schemas/node.ts'

const ChannelPath = Type.Object({ id: Name })

export const listChannels = operation({
  id: 'listChannels',
  method: 'GET',
  path: '/v1/channels',
  summary: 'deposits of both roles, as the chain and the ledger have them',
  command: 'channels list',
  result: Type.Array(ChannelSchema),
  run: ({ node }, _input, options) => node.channels.list(options)
})

export const withdrawChannel = operation({
  id: 'withdrawChannel',
  method: 'POST',
  path: '/v1/channels/:id/withdraw',
  summary: 'buyer: asks a deposit back without the seller',
  command: 'channels withdraw',
  params: ChannelPath,
  body: Type.Object({ amount: Type.Optional(Money) }, { additionalProperties: false }),
  result: WithdrawalSchema,
  run: ({ node }, { params, body }, options) => node.channels.withdraw(params.id, body.amount, options)
})

export const finishChannel = operation({
  id: 'finishChannel',
  method: 'POST',
  path: '/v1/channels/:id/finish',
  summary: 'buyer: takes what was asked back, after the delay',
  command: 'channels finish',
  params: ChannelPath,
  result: MovedSchema,
  run: ({ node }, { params }, options) => node.channels.finish(params.id, options)
})

export const refundChannel = operation({
  id: 'refundChannel',
  method: 'POST',
  path: '/v1/channels/:id/refund',
  summary: 'buyer: asks the seller for what is unspent; seller: pays it back',
  command: 'channels refund',
  params: ChannelPath,
  result: RefundSchema,
  run: ({ node }, { params }, options) => node.channels.refund(params.id, options)
})

export const claim = operation({
  id: 'claim',
  method: 'POST',
  path: '/v1/claims',
  summary: 'presents the vouchers held to the chain and settles',
  command: 'claim',
  result: ClaimSchema,
  run: ({ node }, _input, options) => node.claim(options)
})

export const getWallet = operation({
  id: 'getWallet',
  method: 'GET',
  path: '/v1/wallet',
  summary: 'balances, what was spent, the caps',
  command: ['wallet show', 'budget show'],
  result: WalletSchema,
  run: async ({ node }, _input, options) => {
    const { budget, ...rest } = await node.wallet.status(options)
    return { ...rest, budget: { ...budget, sellers: [...budget.sellers] } }
  }
})

export const getBalance = operation({
  id: 'getBalance',
  method: 'GET',
  path: '/v1/wallet/balance',
  summary: 'coins and tokens of the wallet',
  result: BalanceSchema,
  run: ({ node }, _input, options) => node.wallet.balance(options)
})

export const listArrived = operation({
  id: 'listArrived',
  method: 'GET',
  path: '/v1/wallet/arrived',
  summary: 'what arrived by transactions that pay on their own',
  result: ArrivedSchema,
  run: ({ node }, _input, options) => node.wallet.arrived(options)
})

export const setBudget = operation({
  id: 'setBudget',
  method: 'PATCH',
  path: '/v1/wallet/budget',
  summary: 'changes caps, now and for later runs',
  command: 'budget set',
  body: BudgetChangeSchema,
  result: Empty,
  run: async ({ node }, { body }) => {
    await node.wallet.setBudget(body)
    return {}
  }
})

export const freezeWallet = operation({
  id: 'freezeWallet',
  method: 'POST',
  path: '/v1/wallet/freeze',
  summary: 'kill switch: nothing is signed any more',
  command: 'wallet freeze',
  result: Empty,
  run: async ({ node }) => {
    await node.wallet.freeze()
    return {}
  }
})

export const unfreezeWallet = operation({
  id: 'unfreezeWallet',
  method: 'POST',
  path: '/v1/wallet/unfreeze',
  summary: 'signs again, within the caps',
  command: 'wallet unfreeze',
  result: Empty,
  run: async ({ node }) => {
    await node.wallet.unfreeze()
    return {}
  }
})
