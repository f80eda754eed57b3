import { existsSync } from 'node:fs'
import { join } from 'node:path'
import express, { type RequestHandler, Router } from 'express'

/** The page loads nothing from elsewhere, so nothing else is allowed to load. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const secured: RequestHandler = (_req, res, next) => {
  res.set({ 'Content-Security-Policy': POLICY, 'X-Content-Type-Options': 'nosniff', 'Referrer-Policy': 'no-referrer' })
  next()
}

/** Serves the built page in `folder`, or says how to build it. Files with a hash in their name are kept by browsers for good. */
export function webPage(folder: string): Router {
  const router = Router()
  router.use(secured)
  router.use('/assets', express.static(join(folder, 'assets'), { immutable: true, maxAge: '1y', fallthrough: false }))
  router.use(express.static(folder, { cacheControl: false }))
  router.get('/', (_req, res, next) => {
    if (existsSync(join(folder, 'index.html'))) return next()
    res
      .status(503)
      .type('text')
      .send('The page is not built yet. `npm start` in the root builds it; so does `vite build` in examples/demo.\n')
  })
  router.use((_req, res) => void res.status(404).type('text').send('There is nothing here.\n'))
  return router
}
