import { fileURLToPath } from 'node:url'
import { packageRoot } from '../version.ts'

/** What the demo's buyer looks for, by words, and how much of it is bought. */
export interface WantedProduct {
  words: string
  /** All of it when absent. */
  records?: number
  /** Most that it may cost, in whole tokens. */
  max: string
  /** Of the files that it leaves. */
  name: string
}

/** What the demo sells; the format is that of `ddm sell --config`. Its buyers are no strangers: they get credit at once. */
export function demoProducts(): { products: object[] } {
  const weather = fileURLToPath(new URL('examples/data/seattle-weather-hourly-normals.csv', packageRoot()))
  return {
    products: [
      {
        title: 'Host telemetry',
        description: 'CPU, memory, load and network counters of this machine, read live every 100 ms.',
        keywords: ['cpu', 'memory', 'load', 'network', 'live'],
        price: '0.0001/record',
        source: 'telemetry',
        period: 100,
        credit: '0.002',
        document: { cadence: { mode: 'periodic', periodMs: 100 } }
      },
      {
        title: 'Seattle hourly weather normals',
        description: 'Hourly normals of sea-level pressure (hPa), temperature (°C) and wind (m/s) for a year.',
        keywords: ['weather', 'temperature', 'pressure', 'wind', 'climate'],
        price: '0.00001/record',
        source: `csv:${weather}`,
        credit: '0.002',
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
  { words: 'host telemetry', records: 100, max: '0.05', name: 'host-telemetry' },
  { words: 'seattle weather', max: '0.2', name: 'seattle-weather' }
]
