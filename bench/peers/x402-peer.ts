import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { x402Facilitator } from '@x402/core/facilitator'
import { x402ResourceServer } from '@x402/core/server'
import { type FacilitatorEvmSigner, toFacilitatorEvmSigner } from '@x402/evm'
import { ExactEvmScheme as ExactClient } from '@x402/evm/exact/client'
import { ExactEvmScheme as ExactFacilitator } from '@x402/evm/exact/facilitator'
import { ExactEvmScheme as ExactServer } from '@x402/evm/exact/server'
import { wrapFetchWithPaymentFromConfig } from '@x402/fetch'
import { paymentMiddleware } from '@x402/hono'
import { Hono } from 'hono'
import { createWalletClient, type Hex, http, nonceManager, publicActions } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import { answer } from '../child.ts'

/** The seller's HTTP server with its facilitator, or the buyer: whichever is asked for. */
const NETWORK = 'eip155:31337'
const RECORD_BYTES = 200

interface Terms {
  rpcUrl: string
  asset: Hex
  name: string
  version: string
  payTo: Hex
  price: string
  relayerKey: Hex
}

let stop = async (): Promise<void> => {}
let paidFetch: typeof fetch = fetch
let url = ''

/** Transactions of one account in order, also when several payments are settled at once. */
function signerOf({ rpcUrl, relayerKey }: Terms): FacilitatorEvmSigner {
  const account = privateKeyToAccount(relayerKey, { nonceManager })
  const chain = createWalletClient({
    account,
    chain: foundry,
    transport: http(rpcUrl),
    pollingInterval: 20,
    cacheTime: 0
  }).extend(publicActions)
  return toFacilitatorEvmSigner({
    address: account.address,
    readContract: (args) => chain.readContract(args as Parameters<typeof chain.readContract>[0]),
    verifyTypedData: (args) => chain.verifyTypedData(args as Parameters<typeof chain.verifyTypedData>[0]),
    writeContract: ({ dataSuffix: _, ...args }) =>
      chain.writeContract(args as Parameters<typeof chain.writeContract>[0]),
    sendTransaction: (args) => chain.sendTransaction(args),
    waitForTransactionReceipt: ({ hash }) => chain.waitForTransactionReceipt({ hash }),
    getCode: (args) => chain.getCode(args)
  })
}

answer(
  {
    serve: async (terms: Terms) => {
      const facilitator = new x402Facilitator().register(NETWORK, new ExactFacilitator(signerOf(terms)))
      const local = {
        verify: facilitator.verify.bind(facilitator),
        settle: facilitator.settle.bind(facilitator),
        getSupported: async () => facilitator.getSupported()
      }
      const { asset, price: amount, payTo, name, version } = terms
      const resources = new x402ResourceServer(local as ConstructorParameters<typeof x402ResourceServer>[0]).register(
        NETWORK,
        new ExactServer()
      )
      const app = new Hono()
      const price = { amount, asset, extra: { name, version } }
      app.use(
        paymentMiddleware(
          { 'GET /records/*': { accepts: { scheme: 'exact', price, network: NETWORK, payTo } } },
          resources
        )
      )
      app.get('/records/:number', (context) => {
        const bytes = Buffer.alloc(RECORD_BYTES, 0x61)
        bytes.writeUInt32BE(Number(context.req.param('number')))
        return context.body(new Uint8Array(bytes))
      })
      const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })
      await new Promise<void>((resolve) => server.once('listening', () => resolve()))
      stop = () => new Promise((resolve) => server.close(() => resolve()))
      return { port: (server.address() as AddressInfo).port }
    },
    connect: async ({ port, buyerKey }: { port: number; buyerKey: Hex }) => {
      url = `http://127.0.0.1:${port}`
      const client = new ExactClient(privateKeyToAccount(buyerKey))
      // The test token is none of the library's defaults.
      paidFetch = wrapFetchWithPaymentFromConfig(fetch, {
        schemes: [{ network: NETWORK, client }],
        spendControls: false
      })
    },
    buy: async ({ records, inFlight }: { records: number; inFlight: number }) => {
      let next = 0
      const worker = async (): Promise<void> => {
        for (let number = next++; number < records; number = next++) {
          const response = await paidFetch(`${url}/records/${number}`)
          const bytes = Buffer.from(await response.arrayBuffer())
          if (response.status !== 200 || bytes.byteLength !== RECORD_BYTES || bytes.readUInt32BE() !== number) {
            throw new Error(`record ${number}: status ${response.status}, ${bytes.toString('utf8', 0, 200)}`)
          }
        }
      }
      const startedAt = performance.now()
      await Promise.all(Array.from({ length: inFlight }, worker))
      return records / ((performance.now() - startedAt) / 1000)
    }
  },
  () => stop()
)
