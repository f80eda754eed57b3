import { afterEach, describe, expect, it, vi } from 'vitest'
import { createImServer } from '../src/index.js'

const nobody = { authenticate: () => null }

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
})

describe('createImServer', () => {
  it('says in a sentence which option cannot work', () => {
    expect(() => createImServer({})).toThrow('createImServer needs authenticate')
    expect(() => createImServer({ ...nobody, basePath: 'im/' })).toThrow('basePath must be')
    expect(() => createImServer({ ...nobody, limits: { frameBytes: 0 } })).toThrow('limits.frameBytes')
    expect(() => createImServer({ ...nobody, limits: { frames: 1 } as never })).toThrow('limits.frames')
  })

  it('warns of memory in production, also where no logger listens', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    const emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const silent = createImServer(nobody)
    await silent.start()
    await silent.close()
    expect(emitWarning).toHaveBeenCalledWith(expect.stringContaining('memory'), { code: 'INNERLINE_MEMORY' })

    emitWarning.mockClear()
    const errors: string[] = []
    const logger = { debug() {}, info() {}, warn() {}, error: (_fields: object, message = '') => errors.push(message) }
    const logged = createImServer({ ...nobody, logger })
    await logged.start()
    await logged.close()
    expect(emitWarning).not.toHaveBeenCalled()
    expect(errors).toEqual([expect.stringContaining('memory')])
  })

  it('starts, drains and closes again and again without harm', async () => {
    const im = createImServer(nobody)
    await Promise.all([im.start(), im.start()])
    expect((await im.health()).status).toBe('ok')
    await im.drain({ spreadMs: 0 })
    await Promise.all([im.close(), im.close()])
    expect(im.stats()).toMatchObject({ connections: 0, users: 0, conversations: 0, laneDepth: 0 })
  })
})
