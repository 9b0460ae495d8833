// HTTP/2 only: http2.mjs URL. Prints the status, or what went wrong.
import http2 from 'node:http2'

const url = new URL(process.argv[2])
const session = http2.connect(url.origin)
session.on('error', error => {
	console.log('failed:', error.code)
	session.destroy()
})
const stream = session.request({ ':method': 'POST', ':path': url.pathname })
stream.on('response', headers => console.log('HTTP', headers[':status']))
stream.on('error', () => {})
stream.on('close', () => session.close())
stream.end('{"model":"gpt-5","messages":[]}')
