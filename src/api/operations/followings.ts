import Type from 'typebox'
import type { FollowEvent, FollowOptions, PurchasedRecord } from '../../node/index.ts'
import type { Followings } from '../followings.ts'
import { eventOperation, operation, type ServerEvent } from '../operation.ts'
import { problemOf } from '../problem.ts'
import { encodeRecords } from '../records.ts'
import { Name } from '../schemas/common.ts'
import { FOLLOW_EVENTS, FollowingSchema, FollowOutcomeSchema, FollowWishSchema } from '../schemas/following.ts'
import { ProblemSchema, RecordsSchema } from '../schemas/purchase.ts'

const FollowingPath = Type.Object({ following: Name })

export const listFollowings = operation({
  id: 'listFollowings',
  method: 'GET',
  path: '/v1/followings',
  summary: 'products that are followed for callers of the API, since the node started',
  result: Type.Array(FollowingSchema),
  run: async ({ followings }) => followings.list()
})

export const startFollowing = operation({
  id: 'startFollowing',
  method: 'POST',
  path: '/v1/followings',
  summary: 'one product from several sellers within one budget; buys when who asked takes the records',
  command: 'follow',
  body: FollowWishSchema,
  result: FollowingSchema,
  run: async ({ followings }, { body: { listings, options } }) => followings.start(listings, options as FollowOptions)
})

export const getFollowing = operation({
  id: 'getFollowing',
  method: 'GET',
  path: '/v1/followings/:following',
  summary: 'how it stands: records, duplicates, what each purchase cost',
  params: FollowingPath,
  result: FollowingSchema,
  run: async ({ followings }, { params }) => followings.get(params.following)
})

export const stopFollowing = operation({
  id: 'stopFollowing',
  method: 'POST',
  path: '/v1/followings/:following/stop',
  summary: 'ends it in an orderly way',
  params: FollowingPath,
  result: FollowingSchema,
  run: async ({ followings }, { params }) => {
    followings.stop(params.following)
    return followings.get(params.following)
  }
})

/** Ends in an orderly way when the caller is gone. */
export const takeFollowed = eventOperation({
  id: 'takeFollowed',
  method: 'GET',
  path: '/v1/followings/:following/records',
  summary: 'the records, each once, no faster than they are taken, and what happens meanwhile',
  params: FollowingPath,
  events: {
    ...FOLLOW_EVENTS,
    records: RecordsSchema,
    status: FollowingSchema,
    done: FollowOutcomeSchema,
    problem: ProblemSchema
  },
  run: ({ followings }, { params: { following } }, { signal }) => {
    followings.get(following)
    return taken(followings, following, signal)
  }
})

async function* taken(followings: Followings, following: string, signal: AbortSignal): AsyncGenerator<ServerEvent> {
  const waiting: ServerEvent[] = []
  let news = Promise.withResolvers<void>()
  const running = followings.take(following, (event) => {
    // Who takes the records sees those for himself.
    if (event.type === 'records') return
    waiting.push(told(event))
    news.resolve()
  })
  const onGone = (): void => running.stop()
  signal.addEventListener('abort', onGone, { once: true })
  const batches = running.batches()[Symbol.asyncIterator]()
  let next: Promise<IteratorResult<PurchasedRecord[]>> | undefined
  try {
    for (;;) {
      next ??= batches.next()
      await Promise.race([next, news.promise])
      news = Promise.withResolvers()
      for (const event of waiting.splice(0)) {
        yield event
        yield { event: 'status', data: followings.get(following) }
      }
      const came = await Promise.race([next, Promise.resolve(undefined)])
      if (came === undefined) continue
      next = undefined
      if (came.done === true) break
      yield { event: 'records', data: encodeRecords(came.value) }
    }
    const outcome = await running.done
    yield { event: 'status', data: followings.get(following) }
    yield { event: 'done', data: outcome }
  } catch (error) {
    yield { event: 'problem', data: problemOf(error) }
  } finally {
    signal.removeEventListener('abort', onGone)
    running.stop()
    await next?.catch(() => {})
    await batches.return?.()
  }
}

function told(event: FollowEvent): ServerEvent {
  const { type, ...data } = event
  if (!('error' in data)) return { event: type, data }
  const { error, ...rest } = data
  return { event: type, data: { ...rest, ...(error === undefined ? {} : { problem: problemOf(error) }) } }
}
