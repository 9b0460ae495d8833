// The package openai, as people use it: openai.mjs BASE_URL WHAT...
import { createRequire } from 'node:module'

const OpenAI = createRequire(`${process.env.NODE_PACKAGES}/`)('openai')
const [baseURL, ...todo] = process.argv.slice(2)
const client = new OpenAI({ apiKey: process.env.API_KEY, baseURL, maxRetries: 2, timeout: 20000 })
const messages = [{ role: 'user', content: 'What is two times two?' }]
const tools = [{
	type: 'function',
	function: { name: 'multiply', parameters: { type: 'object', properties: { a: { type: 'number' } } } },
}]

const steps = {
	async create() {
		const answer = await client.chat.completions.create({ model: 'gpt-5', messages })
		console.log('create:', answer.choices[0].message.content, answer.usage.total_tokens)
	},
	async stream() {
		const stream = await client.chat.completions.create({
			model: 'gpt-5', messages, stream: true, stream_options: { include_usage: true } })
		let text = '', tokens = 0
		for await (const piece of stream) {
			text += piece.choices[0]?.delta?.content ?? ''
			tokens = piece.usage?.total_tokens ?? tokens
		}
		console.log('stream:', text, tokens)
	},
	async tools() {
		const answer = await client.chat.completions.create({
			model: 'gpt-5', tools, tool_choice: 'auto', messages: [...messages,
				{ role: 'assistant', content: null, tool_calls: [{
					id: 'call_1', type: 'function',
					function: { name: 'multiply', arguments: '{"a":2}' } }] },
				{ role: 'tool', tool_call_id: 'call_1', content: '4' }] })
		console.log('tools:', answer.choices[0].finish_reason)
	},
	async responses() {
		const answer = await client.responses.create({ model: 'gpt-5', input: 'Twice two?' })
		console.log('responses:', answer.output_text)
	},
	async refused() {
		await client.chat.completions.create({ model: 'gpt-4o', messages })
	},
	async 'refused stream'() {
		await client.chat.completions.create({ model: 'gpt-4o', messages, stream: true })
	},
	async limited() {
		await client.chat.completions.create({ model: 'gpt-5', messages },
			{ headers: { 'x-provider': 'error-429' }, maxRetries: 0 })
	},
	async unknown() {
		await client.chat.completions.create({ model: 'gpt-5', messages },
			{ headers: { 'x-provider': 'error-401' }, maxRetries: 0 })
	},
}

for (const name of todo) {
	try {
		await steps[name]()
	} catch (error) {
		console.log(`${name}: ${error.constructor.name} ${error.status} ${error.code}: ${error.message}`)
	}
}
