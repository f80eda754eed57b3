import { mkdirSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../scripts/services/instance.js'
import { launchBrowser, noBrowser } from './support/browser.js'
import { OwnDatabase, SYNCED_BINLOG } from './support/database.js'
import { DemoPage } from './support/demo-page.js'
import { DemoProcess } from './support/demo-process.js'

const SCREENSHOTS = new URL('./screenshots/', import.meta.url).pathname
const PHONE = { width: 390, height: 844 }
const PATIENCE = { timeout: 30_000, interval: 100 }

const databases =
  noBrowser === undefined ? await Promise.all([OwnDatabase.start(SYNCED_BINLOG), OwnDatabase.start([])]) : ([undefined, undefined] as const)

const shownIn = async (page: DemoPage): Promise<string[]> => (await page.messages()).map(({ msgId }) => msgId)
const statusOf = async (page: DemoPage, text: string): Promise<string | null | undefined> =>
  (await page.messages()).find((message) => message.text === text)?.status

describe.skipIf(databases[0] === undefined)('the demo on a database, in a real browser', () => {
  const [synced, plain] = databases as readonly [OwnDatabase, OwnDatabase]
  let browser: Browser
  let onSynced: DemoProcess
  let onPlain: DemoProcess

  beforeAll(async () => {
    mkdirSync(SCREENSHOTS, { recursive: true })
    onSynced = new DemoProcess(await freePort(), { MYSQL_URL: synced.url })
    onPlain = new DemoProcess(await freePort(), { MYSQL_URL: plain.url })
    ;[browser] = await Promise.all([launchBrowser(), onSynced.start(), onPlain.start()])
  })

  afterAll(async () => {
    await browser?.close()
    await Promise.all([onSynced, onPlain].map((demo) => demo?.kill9()))
    await Promise.all(databases.map((database) => database?.stop()))
  })

  const msgIdsOf = async (database: OwnDatabase, conversationId: string): Promise<string[]> =>
    (await database.log(conversationId)).map(({ msgId }) => msgId)
  const closed = (...pages: readonly DemoPage[]) => Promise.all(pages.map(({ page }) => page.context().close()))

  it('is killed in mid-page and started again: both pages go on by themselves with everything, once, in order', async () => {
    const chat = 'd~alice~bob'
    await synced.write('alice', 'bob', 120)
    const [alice, bob] = await Promise.all([
      DemoPage.signIn(browser, onSynced.url, 'alice'),
      DemoPage.signIn(browser, onSynced.url, 'bob', PHONE),
    ])
    await alice.openConversation(chat)
    await expect.poll(async () => (await shownIn(alice)).length, PATIENCE).toBe(120)
    await alice.send('one more')
    await expect.poll(() => bob.unread(chat), PATIENCE).toBe(121)

    // The server has answered, and dies before the second page has arrived.
    let pages = 0
    let killed = false
    await bob.page.route(/api\/im\/offline\/d/, async (route) => {
      if (++pages !== 2) return route.continue()
      await route.fetch()
      // Whether this one is committed before the end is a matter of chance.
      await alice.send('as the demo dies')
      await onSynced.kill9()
      killed = true
      await route.abort('connectionreset')
    })
    await bob.openConversation(chat)
    await expect.poll(() => killed, PATIENCE).toBe(true)
    await alice.send('while the demo was down')
    await bob.send('me too')
    expect(await statusOf(alice, 'while the demo was down')).toBe('queued')
    expect(await statusOf(bob, 'me too')).toBe('queued')

    await onSynced.start()
    await expect.poll(() => msgIdsOf(synced, chat), PATIENCE).toHaveLength(124)
    const ids = await msgIdsOf(synced, chat)
    for (const page of [alice, bob]) await expect.poll(() => shownIn(page), PATIENCE).toEqual(ids)
    for (const { page } of [alice, bob]) expect(await page.locator('[data-testid=sign-in]').count(), 'nobody signs in again').toBe(0)
    await expect.poll(() => statusOf(alice, 'while the demo was down'), PATIENCE).toBe('read')
    await expect.poll(() => statusOf(bob, 'me too'), PATIENCE).toBe('read')
    expect((await bob.messages()).map(({ seq }) => seq)).toEqual(ids.map((_, i) => i + 1))
    await closed(alice, bob)
  })

  /** The database dies under two open pages and comes back. Resolves with the pages, after which both show all there is. */
  async function outage(database: OwnDatabase, demo: DemoProcess, name: string): Promise<readonly [DemoPage, DemoPage]> {
    const { server } = database
    const [chat, other] = ['d~carol~dave', 'd~agent1~dave']
    await database.write('dave', 'carol', 3)
    await database.write('agent1', 'dave', 2)
    const pages = await Promise.all([
      DemoPage.signIn(browser, demo.url, 'carol'),
      DemoPage.signIn(browser, demo.url, 'dave', PHONE, 'zh-CN'),
    ])
    const [carol, dave] = pages
    for (const page of pages) {
      await page.openConversation(chat)
      await expect.poll(() => shownIn(page), PATIENCE).toHaveLength(3)
    }
    let sockets = 0
    for (const { page } of pages) page.on('websocket', () => sockets++)
    const { pid } = demo
    const printed = demo.output.length

    // Frozen first, so that the message is surely on its way when the database dies.
    process.kill(server.pid, 'SIGSTOP')
    await carol.send('in mid-send')
    await expect.poll(() => statusOf(carol, 'in mid-send'), PATIENCE).not.toBe('queued')
    await server.kill9()
    await carol.send('behind it')
    await carol.banner('storage')
    const retries = await carol.watchStatus('in mid-send')
    // Who only reads is told as well.
    await dave.goBack()
    await dave.openConversation(other)
    await dave.banner('storage')
    await dave.goBack()
    await dave.banner(undefined)
    await dave.openConversation(chat)
    await dave.send('我也在等')
    await dave.banner('storage')
    // Queued, or just being tried once more: the same clock.
    for (const text of ['in mid-send', 'behind it']) expect(['queued', 'sending']).toContain(await statusOf(carol, text))
    expect(['queued', 'sending']).toContain(await statusOf(dave, '我也在等'))
    await carol.page.screenshot({ path: `${SCREENSHOTS}${name}-desktop.png` })
    await dave.page.screenshot({ path: `${SCREENSHOTS}${name}-phone-zh.png` })
    // Each further try changes the mark, never what a screen reader reads aloud.
    await expect.poll(async () => (await retries()).changes, PATIENCE).toBeGreaterThan(2)
    expect((await retries()).texts).toBe(0)
    expect(sockets, 'open sockets stay up').toBe(0)

    await server.restart()
    await expect.poll(() => msgIdsOf(database, chat), PATIENCE).toHaveLength(6)
    const ids = await msgIdsOf(database, chat)
    for (const page of pages) await expect.poll(() => shownIn(page), PATIENCE).toEqual(ids)
    for (const page of pages) await page.banner(undefined)
    for (const text of ['in mid-send', 'behind it']) await expect.poll(() => statusOf(carol, text), PATIENCE).toBe('read')
    await expect.poll(() => statusOf(dave, '我也在等'), PATIENCE).toBe('read')
    await dave.goBack()
    expect(await dave.unread(other)).toBe(2)
    await dave.openConversation(other)
    await expect.poll(() => shownIn(dave), PATIENCE).toEqual(await msgIdsOf(database, other))

    // A killed server without a synced binary log may have taken something back, so the pages read all of it again.
    if (database === synced) expect(sockets, 'the very same sockets').toBe(0)
    expect([demo.pid, demo.isRunning]).toEqual([pid, true])
    expect(demo.output.slice(printed), 'no unhandled rejection').toBe('')
    return pages
  }

  it('says that it waits while the database is killed in mid-send, and goes on by itself', async () => {
    const [[carol, dave], others] = await Promise.all([
      outage(synced, onSynced, 'database-down'),
      outage(plain, onPlain, 'plain-database-down'),
    ])
    await closed(...others)

    // Told apart from a server that is gone.
    await onSynced.kill9()
    await carol.send('nobody there')
    for (const page of [carol, dave]) await page.banner('lost')
    expect(await statusOf(carol, 'nobody there')).toBe('queued')
    await carol.page.screenshot({ path: `${SCREENSHOTS}demo-down-desktop.png` })
    await dave.page.screenshot({ path: `${SCREENSHOTS}demo-down-phone-zh.png` })
    await closed(carol, dave)
  })
})
