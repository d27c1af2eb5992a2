/**
 * Our contracts stand at the addresses of the public x402 deployment here, and npm `@x402/evm` talks to them as it
 * would to the originals: its client makes deposits and vouchers, its facilitator checks them and sends transactions.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { PaymentPayload, PaymentRequirements } from '@x402/core/types'
import {
  BATCH_SETTLEMENT_ADDRESS,
  type ChannelConfig,
  ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
  type FacilitatorEvmSigner,
  isBatchSettlementDepositPayload,
  toFacilitatorEvmSigner
} from '@x402/evm'
import {
  computeChannelId,
  createBatchSettlementEIP3009DepositPayload,
  signVoucher
} from '@x402/evm/batch-settlement/client'
import { BatchSettlementEvmScheme } from '@x402/evm/batch-settlement/facilitator'
import {
  type Abi,
  type Account,
  type Address,
  createTestClient,
  encodeAbiParameters,
  encodeDeployData,
  type Hex,
  http,
  publicActions,
  walletActions,
  zeroAddress
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import {
  channelEscrowAbi,
  channelEscrowBytecode,
  eip3009CollectorAbi,
  eip3009CollectorBytecode,
  testTokenAbi,
  testTokenBytecode
} from '../../src/chain/abi.ts'
import { type Anvil, startAnvil } from '../support/anvil.ts'

const NETWORK = 'eip155:31337'
const WITHDRAW_DELAY = 900
const escrow = BATCH_SETTLEMENT_ADDRESS
const collector = ERC3009_DEPOSIT_COLLECTOR_ADDRESS

const account = (addressIndex: number) =>
  mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex })
const deployer = account(0)
const payer = account(1)
const hotSigner = account(2)
const receiver = account(3)
const authorizer = account(4)
const relayer = account(5)

let anvil: Anvil
let chain: ReturnType<typeof connect>
let token: Address

function connect(url: string) {
  return createTestClient({ chain: foundry, mode: 'anvil', transport: http(url), pollingInterval: 10, cacheTime: 0 })
    .extend(publicActions)
    .extend(walletActions)
}

async function deploy(data: Hex): Promise<Address> {
  const hash = await chain.sendTransaction({ account: deployer, data })
  const { contractAddress } = await chain.waitForTransactionReceipt({ hash })
  assert.ok(contractAddress)
  return contractAddress
}

/** Copies the code of a deployed contract; immutables come along, EIP-712 domains follow the new address. */
async function moveTo(address: Address, from: Address): Promise<void> {
  const bytecode = await chain.getCode({ address: from })
  assert.ok(bytecode)
  await chain.setCode({ address, bytecode })
}

async function write(from: Account, address: Address, abi: Abi, functionName: string, args: unknown[]): Promise<void> {
  // Simulated first: the error of a refused call then carries the contract's reason.
  const { request } = await chain.simulateContract({ account: from, address, abi, functionName, args })
  const { status } = await chain.waitForTransactionReceipt({ hash: await chain.writeContract(request) })
  assert.equal(status, 'success')
}

function config(salt: number): ChannelConfig {
  return {
    payer: payer.address,
    payerAuthorizer: hotSigner.address,
    receiver: receiver.address,
    receiverAuthorizer: authorizer.address,
    token,
    withdrawDelay: WITHDRAW_DELAY,
    salt: `0x${salt.toString(16).padStart(64, '0')}`
  }
}

function requirements(): PaymentRequirements {
  return {
    scheme: 'batch-settlement',
    network: NETWORK,
    asset: token,
    amount: '5000',
    payTo: receiver.address,
    maxTimeoutSeconds: 3600,
    extra: {
      name: 'USD Test',
      version: '1',
      receiverAuthorizer: authorizer.address,
      withdrawDelay: WITHDRAW_DELAY
    }
  }
}

/** What the client of x402 signs for a deposit of 100,000 and a first voucher of 5,000. */
async function makeDeposit(channel: ChannelConfig) {
  const terms = requirements()
  const made = await createBatchSettlementEIP3009DepositPayload(payer, 2, terms, channel, '100000', '5000', hotSigner)
  assert.ok(isBatchSettlementDepositPayload(made.payload))
  return made.payload
}

function channelState(channel: ChannelConfig) {
  const channelId = computeChannelId(channel, NETWORK)
  return chain.readContract({ address: escrow, abi: channelEscrowAbi, functionName: 'channels', args: [channelId] })
}

function balanceOf(owner: Address) {
  return chain.readContract({ address: token, abi: testTokenAbi, functionName: 'balanceOf', args: [owner] })
}

describe('x402 interoperability', () => {
  before(async () => {
    anvil = await startAnvil()
    chain = connect(anvil.url)
    token = await deploy(testTokenBytecode)
    await moveTo(escrow, await deploy(channelEscrowBytecode))
    const code = encodeDeployData({ abi: eip3009CollectorAbi, bytecode: eip3009CollectorBytecode, args: [escrow] })
    await moveTo(collector, await deploy(code))
    await write(deployer, token, testTokenAbi as Abi, 'mint', [payer.address, 10_000_000n])
  })

  after(async () => {
    await anvil?.stop()
  })

  it('computes the channel IDs of @x402/evm', async () => {
    const variants: ChannelConfig[] = [
      config(0),
      config(7),
      { ...config(0), payerAuthorizer: zeroAddress },
      { ...config(0), withdrawDelay: 30 * 86_400 },
      { ...config(0), receiver: payer.address, receiverAuthorizer: payer.address }
    ]
    const ids = await Promise.all(
      variants.map((channel) =>
        chain.readContract({ address: escrow, abi: channelEscrowAbi, functionName: 'getChannelId', args: [channel] })
      )
    )
    assert.deepEqual(
      ids,
      variants.map((channel) => computeChannelId(channel, NETWORK))
    )
    assert.equal(new Set(ids).size, variants.length)
  })

  it('takes deposits and vouchers made by its client', async () => {
    const channel = config(1)
    const { deposit, voucher: first } = await makeDeposit(channel)
    const authorization = deposit.authorization.erc3009Authorization
    assert.ok(authorization)
    const { validAfter, validBefore, salt, signature } = authorization
    const data = encodeAbiParameters(
      [{ type: 'uint256' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'bytes' }],
      [BigInt(validAfter), BigInt(validBefore), BigInt(salt), signature]
    )
    await write(relayer, escrow, channelEscrowAbi as Abi, 'deposit', [channel, 100_000n, collector, data])
    assert.deepEqual(await channelState(channel), [100_000n, 0n])

    const later = await signVoucher(hotSigner, computeChannelId(channel, NETWORK), '9000', NETWORK)
    const rows = [
      { voucher: first, totalClaimed: 4_200n },
      { voucher: later, totalClaimed: 9_000n }
    ].map(({ voucher, totalClaimed }) => ({
      voucher: { channel, maxClaimableAmount: BigInt(voucher.maxClaimableAmount) },
      signature: voucher.signature,
      totalClaimed
    }))
    for (const row of rows) {
      await write(receiver, escrow, channelEscrowAbi as Abi, 'claim', [[row]])
      assert.deepEqual(await channelState(channel), [100_000n, row.totalClaimed])
    }

    const over = { ...rows[1], totalClaimed: 9_001n }
    await assert.rejects(
      write(receiver, escrow, channelEscrowAbi as Abi, 'claim', [[over]]),
      /ClaimExceedsCeiling[\s\S]*9001, 9000/
    )
    const forged = await signVoucher(relayer, computeChannelId(channel, NETWORK), '9500', NETWORK)
    const stolen = {
      voucher: { channel, maxClaimableAmount: 9_500n },
      signature: forged.signature,
      totalClaimed: 9_500n
    }
    await assert.rejects(
      write(receiver, escrow, channelEscrowAbi as Abi, 'claim', [[stolen]]),
      /InvalidVoucherSignature/
    )
    assert.deepEqual(await channelState(channel), [100_000n, 9_000n])
  })

  it('is driven by its facilitator through deposit, claim, settle and refund', async () => {
    const channel = config(2)
    const facilitator = new BatchSettlementEvmScheme(facilitatorSigner(), {
      address: authorizer.address,
      signTypedData: (params) => authorizer.signTypedData(params as Parameters<typeof authorizer.signTypedData>[0])
    })
    const envelope = (payload: object): PaymentPayload => ({
      x402Version: 2,
      accepted: requirements(),
      payload: payload as Record<string, unknown>
    })
    const settle = async (payload: object) => {
      const result = await facilitator.settle(envelope(payload), requirements())
      assert.equal(result.success, true, JSON.stringify(result))
      return result
    }
    const paidBefore = await balanceOf(receiver.address)
    const [claimedBefore, settledBefore] = await chain.readContract({
      address: escrow,
      abi: channelEscrowAbi,
      functionName: 'receivers',
      args: [receiver.address, token]
    })

    await settle(await makeDeposit(channel))
    assert.deepEqual(await channelState(channel), [100_000n, 0n])

    const voucher = await signVoucher(hotSigner, computeChannelId(channel, NETWORK), '7000', NETWORK)
    const verified = await facilitator.verify(
      envelope({ type: 'voucher', channelConfig: channel, voucher }),
      requirements()
    )
    assert.equal(verified.isValid, true, JSON.stringify(verified))

    const claim = (totalClaimed: string) => ({
      voucher: { channel, maxClaimableAmount: voucher.maxClaimableAmount },
      signature: voucher.signature,
      totalClaimed
    })
    await settle({ type: 'claim', claims: [claim('5000')] })
    assert.deepEqual(await channelState(channel), [100_000n, 5_000n])

    await settle({ type: 'settle', receiver: receiver.address, token })
    assert.equal((await balanceOf(receiver.address)) - paidBefore, claimedBefore - settledBefore + 5_000n)

    // With a claim aboard, the refund goes through multicall.
    const payerBefore = await balanceOf(payer.address)
    await settle({
      type: 'refund',
      channelConfig: channel,
      voucher,
      amount: '93000',
      refundNonce: '0',
      claims: [claim('7000')]
    })
    assert.deepEqual(await channelState(channel), [7_000n, 7_000n])
    assert.equal((await balanceOf(payer.address)) - payerBefore, 93_000n)
  })
})

function facilitatorSigner(): FacilitatorEvmSigner {
  return toFacilitatorEvmSigner({
    address: relayer.address,
    readContract: (args) => (args.functionName === 'tryAggregate' ? aggregate(args.args) : read(args)),
    verifyTypedData: (args) => chain.verifyTypedData(args as Parameters<typeof chain.verifyTypedData>[0]),
    writeContract: ({ dataSuffix: _, ...args }) =>
      chain.writeContract({ account: relayer, ...args } as Parameters<typeof chain.writeContract>[0]),
    sendTransaction: (args) => chain.sendTransaction({ account: relayer, ...args }),
    waitForTransactionReceipt: ({ hash }) => chain.waitForTransactionReceipt({ hash }),
    getCode: (args) => chain.getCode(args)
  })
}

function read(args: Parameters<FacilitatorEvmSigner['readContract']>[0]): Promise<unknown> {
  return chain.readContract(args as Parameters<typeof chain.readContract>[0])
}

/** A local chain has no Multicall3, so the reads that it would bundle are made one by one. */
function aggregate(args: readonly unknown[] = []): Promise<unknown> {
  const calls = args[1] as { target: Address; callData: Hex }[]
  return Promise.all(
    calls.map(async ({ target, callData }) => {
      const { data } = await chain.call({ to: target, data: callData })
      return { success: true, returnData: data ?? '0x' }
    })
  )
}
