import { forgetToken, token } from './token.ts'

/** An error as the API says it (RFC 9457), or that it could not be asked. */
export class ApiProblem extends Error {
  readonly code: string

  constructor(code: string, detail: string) {
    super(detail)
    this.name = 'ApiProblem'
    this.code = code
  }
}

export interface RequestOptions {
  query?: Record<string, string | number | boolean | undefined>
  body?: unknown
  signal?: AbortSignal
}

/** Asks the node that served this page; rejects with `ApiProblem`. */
export async function ask(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
  const { query = {}, body, signal } = options
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value))
  const url = search.size === 0 ? path : `${path}?${search}`
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${token.value ?? ''}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal })
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error
    throw new ApiProblem('offline', 'the node does not answer')
  })
  if (response.ok) return response
  throw await problemIn(response)
}

export async function askJson<T>(method: string, path: string, options?: RequestOptions): Promise<T> {
  const response = await ask(method, path, options)
  return (await response.json()) as T
}

async function problemIn(response: Response): Promise<ApiProblem> {
  const problem: unknown = await response.json().catch(() => undefined)
  const { code, detail } = (problem ?? {}) as { code?: unknown; detail?: unknown }
  const text = typeof detail === 'string' ? detail : `the node answered ${response.status}`
  if (response.status === 401) forgetToken(text)
  return new ApiProblem(typeof code === 'string' ? code : 'internal', text)
}
