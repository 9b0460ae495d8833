// The package @copilotkit/aimock, which speaks the providers' APIs, behind TLS: aimock.mjs CERTIFICATES READY SEEN
// Writes its port to the file READY once it listens; at SIGTERM the models it was asked for, one a line, to SEEN.
import { readFileSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import tls from 'node:tls'
import { LLMock } from '@copilotkit/aimock'

const [from, ready, seen] = process.argv.slice(2)
const mock = new LLMock({ port: 0, host: '127.0.0.1', chunkSize: 9 })
// Each provider takes the names that are its own.
const usage = {
	prompt_tokens: 1019, completion_tokens: 57, total_tokens: 1076,
	prompt_tokens_details: { cached_tokens: 512 }, completion_tokens_details: { reasoning_tokens: 20 },
	input_tokens: 1019, output_tokens: 57,
	promptTokenCount: 1019, candidatesTokenCount: 57, totalTokenCount: 1076,
}
const calls = [
	{ id: 'call_1', name: 'weather', arguments: '{"city":"Ulm \\"old\\"","days":[1,2]}' },
	{ id: 'call_2', name: 'time', arguments: '{"zone":"Europe/Berlin"}' },
]

mock.on({ userMessage: 'weather', hasToolResult: false }, { toolCalls: calls, usage })
mock.on({ userMessage: 'Count' }, { content: 'One, two – 三 four, "five" \\ six.\nSeven 🐘.', usage })
mock.on({ inputText: 'embed me' }, { embedding: [0.25, -0.5, 0.125] })
await mock.start()

const inner = Number(new URL(mock.url).port)
const server = tls.createServer({
	cert: readFileSync(`${from}/cert.pem`), key: readFileSync(`${from}/key.pem`), ALPNProtocols: ['http/1.1'],
}, outer => {
	const line = net.connect(inner, '127.0.0.1')
	outer.pipe(line).pipe(outer)
	outer.on('error', () => line.destroy())
	line.on('error', () => outer.destroy())
})
server.listen(0, '127.0.0.1', () => writeFileSync(ready, `${server.address().port}\n`))
process.on('SIGTERM', () => {
	writeFileSync(seen, mock.getRequests().map(request => `${request.body?.model}\n`).join(''))
	process.exit(0)
})
