import { fileURLToPath } from 'node:url'
import { packageRoot } from '../version.ts'

/** What the demo's buyer looks for, by words, and how much of it is bought. */
export interface WantedProduct {
  words: string
  /** All of it when absent. */
  records?: number
  /** Most that it may cost, in whole tokens of what it is paid with. */
  max: Readonly<Record<DemoRail, string>>
  /** Of the files that it leaves. */
  name: string
}

/** Prices in the currency of a rail. Where each payment costs a fee they are such that it stays below 1 %. */
const PRICES = {
  evm: { telemetry: '0.0001/record', weather: '0.00001/record', credit: '0.002' },
  iota: { telemetry: '0.01 IOTA/record', weather: '0.0005 IOTA/record', credit: '0.3' }
} as const

export type DemoRail = keyof typeof PRICES

/** What the demo sells; the format is that of `ddm sell --config`. Its buyers are no strangers: they get credit at once. */
export function demoProducts(rail: DemoRail): { products: object[] } {
  const { telemetry, weather: weatherPrice, credit } = PRICES[rail]
  const weather = fileURLToPath(new URL('examples/data/seattle-weather-hourly-normals.csv', packageRoot()))
  return {
    products: [
      {
        title: 'Host telemetry',
        description: 'CPU, memory, load and network counters of this machine, read live every 100 ms.',
        keywords: ['cpu', 'memory', 'load', 'network', 'live'],
        price: telemetry,
        source: 'telemetry',
        period: 100,
        credit,
        document: { cadence: { mode: 'periodic', periodMs: 100 } }
      },
      {
        title: 'Seattle hourly weather normals',
        description: 'Hourly normals of sea-level pressure (hPa), temperature (°C) and wind (m/s) for a year.',
        keywords: ['weather', 'temperature', 'pressure', 'wind', 'climate'],
        price: weatherPrice,
        source: `csv:${weather}`,
        credit,
        k: { min: 1, default: 100, max: 1000 },
        document: {
          spatial: { point: [-122.33, 47.61], place: 'Seattle' },
          temporal: { from: '2010-01-01T00:00:00Z', to: '2010-12-31T23:59:59Z' },
          instrument: { name: 'NOAA U.S. Climate Normals' }
        }
      }
    ]
  }
}

export const WANTED: readonly WantedProduct[] = [
  { words: 'host telemetry', records: 100, max: { evm: '0.05', iota: '2' }, name: 'host-telemetry' },
  { words: 'seattle weather', max: { evm: '0.2', iota: '5' }, name: 'seattle-weather' }
]
