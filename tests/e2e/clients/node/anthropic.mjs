// The package @anthropic-ai/sdk, as people use it: anthropic.mjs BASE_URL WHAT...
import { createRequire } from 'node:module'

const Anthropic = createRequire(`${process.env.NODE_PACKAGES}/`)('@anthropic-ai/sdk')
const [baseURL, ...todo] = process.argv.slice(2)
const client = new Anthropic({ apiKey: process.env.API_KEY, baseURL, maxRetries: 2, timeout: 20000 })
const messages = [{ role: 'user', content: 'What is two times two?' }]
const allowed = { model: 'claude-haiku-5-5', max_tokens: 100, messages }
const tools = [{ name: 'multiply', input_schema: { type: 'object', properties: { a: { type: 'number' } } } }]

const steps = {
	async create() {
		const answer = await client.messages.create(allowed)
		console.log('create:', answer.content[0].text, answer.usage.output_tokens)
	},
	async stream() {
		let text = ''
		const stream = client.messages.stream(allowed).on('text', piece => { text += piece })
		const answer = await stream.finalMessage()
		console.log('stream:', text, answer.stop_reason)
	},
	async tools() {
		const answer = await client.messages.create({ ...allowed, tools, messages: [...messages,
			{ role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'multiply', input: { a: 2 } }] },
			{ role: 'user', content: [{ type: 'tool_result', tool_use_id: 'call_1', content: '4' }] }] })
		console.log('tools:', answer.stop_reason)
	},
	async refused() {
		await client.messages.create({ ...allowed, model: 'claude-opus-5-5' })
	},
	async 'refused stream'() {
		await client.messages.stream({ ...allowed, model: 'claude-opus-5-5' }).finalMessage()
	},
	async limited() {
		await client.messages.create(allowed, { headers: { 'x-provider': 'error-429' }, maxRetries: 0 })
	},
	async unknown() {
		await client.messages.create(allowed, { headers: { 'x-provider': 'error-401' }, maxRetries: 0 })
	},
}

for (const name of todo) {
	try {
		await steps[name]()
	} catch (error) {
		console.log(`${name}: ${error.constructor.name} ${error.status} ${error.error?.error?.type}: ${error.message}`)
	}
}
