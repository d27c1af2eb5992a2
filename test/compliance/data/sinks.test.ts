import { writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import type { TestContext } from 'node:test'
import { parseSource } from '../../../src/data/index.ts'
import { httpServer } from '../../support/http-feed.ts'
import { freePort } from '../../support/server.ts'
import { tempDir } from '../../support/temp-dir.ts'
import { dataSinkCompliance, type SinkWorld } from './data-sink.ts'

/** Files are read back by the source of their kind. */
for (const kind of ['jsonl', 'csv', 'parquet']) {
  dataSinkCompliance(`${kind} file`, {
    able: [],
    resumes: true,
    start: async (t) => {
      const file = join(await tempDir(t), `out.${kind}`)
      return {
        spec: file,
        arrived: async () => {
          const texts: string[] = []
          for await (const { bytes } of (await parseSource(`${kind}:${file}`)).records()) {
            texts.push(Buffer.from(bytes).toString())
          }
          return texts
        }
      }
    },
    refused: async (t) => {
      const folder = await tempDir(t)
      const there = join(folder, `there.${kind}`)
      await writeFile(there, 'x')
      return [
        { spec: there, code: 'usage', message: /exists/ },
        { spec: `file:${there}`, code: 'usage', message: /exists/ },
        { spec: join(folder, 'none', `out.${kind}`), code: 'config', message: /cannot be written/ },
        { spec: 'file:', code: 'usage', message: /names no file/ },
        { spec: join(folder, 'out.txt'), code: 'usage', message: /there is no sink/ }
      ]
    }
  })
}

dataSinkCompliance('stdout', {
  able: ['hold'],
  start: async () => {
    const stdout = new PassThrough({ highWaterMark: 64 * 1024 })
    let text = ''
    const take = (chunk: Buffer): void => {
      text += chunk
    }
    stdout.on('data', take)
    return {
      spec: 'stdout',
      options: { stdout },
      arrived: async () => text.trimEnd().split('\n'),
      hold: () => stdout.off('data', take).pause(),
      release: () => stdout.resume()
    }
  }
})

async function startWebhook(t: TestContext): Promise<SinkWorld> {
  const taken = new Map<string, string[]>()
  let held: ServerResponse[] | undefined
  let down = 0
  const server = await httpServer(t, (request, response, body) => {
    if (request.method === 'OPTIONS') return response.writeHead(405).end()
    if (held !== undefined) return held.push(response)
    if (down > 0) {
      down -= 1
      return response.writeHead([503, 429, 500][down % 3] ?? 503, { 'retry-after': '0' }).end()
    }
    const key = String(request.headers['idempotency-key'])
    const items = (JSON.parse(body) as unknown[]).map((item) => JSON.stringify(item))
    taken.set(key, items)
    response.writeHead(204).end()
  })
  return {
    spec: server.url,
    arrived: async () => [...taken.values()].flat(),
    hold: () => {
      held = []
    },
    release: () => {
      for (const response of held ?? []) response.writeHead(204).end()
      held = undefined
    },
    cut: async () => {
      down = 3
      server.cut()
    }
  }
}

dataSinkCompliance('webhook', {
  able: ['hold', 'cut'],
  start: startWebhook,
  refused: async (t) => {
    const server = await httpServer(t, (request, response) => {
      const [, status = '500'] = /\/([0-9]+)/.exec(request.url ?? '') ?? []
      response.writeHead(Number(status), { location: 'http://127.0.0.1/secret' }).end()
    })
    const at = (path: string): string => `http://ann:secret@127.0.0.1:${server.port}/${path}/secret?token=secret`
    const closed = await freePort()
    return [
      { spec: at('401'), code: 'config', message: /does not let us in/ },
      { spec: at('404'), code: 'notFound' },
      { spec: at('400'), code: 'config', message: /does not take this request/ },
      { spec: at('301'), code: 'config', message: /has moved/ },
      { spec: `http://127.0.0.1:${closed}/secret`, code: 'unreachable', message: new RegExp(String(closed)) },
      { spec: 'https://', code: 'usage' }
    ]
  }
})
