import { defineConfig } from 'vite'

export default defineConfig({
  root: 'web',
  build: { outDir: '../web-dist', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
  // `vite` alone serves the page with hot reload; the service is then expected on port 3000.
  server: {
    proxy: {
      '/api': 'http://localhost:3000',
      '/ws': { target: 'ws://localhost:3000', ws: true },
    },
  },
})
