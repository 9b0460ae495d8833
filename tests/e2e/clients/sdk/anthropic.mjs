// The package @anthropic-ai/sdk: anthropic.mjs PORT STEP...
import Anthropic from '@anthropic-ai/sdk'
import { parameters, question, run, weather } from './say.mjs'

const [port, ...names] = process.argv.slice(2)
const client = new Anthropic({ apiKey: process.env.API_KEY, baseURL: `https://api.anthropic.com:${port}` })
const model = 'claude-haiku-4-5'
const ask = content => ({ model, max_tokens: 100, messages: [{ role: 'user', content }] })
const tools = ['weather', 'time'].map(name => ({ name, input_schema: parameters }))

const message = ({ model, content, usage }) => ({
	model, text: content.filter(block => block.type === 'text').map(block => block.text).join(''),
	input: usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0),
	output: usage.output_tokens,
	tools: content.filter(block => block.type === 'tool_use').map(block => [block.id, block.name, block.input]),
})

await run(model, {
	plain: async () => message(await client.messages.create(ask(question))),
	stream: async () => message(await client.messages.stream(ask(question)).finalMessage()),
	tools: async () => message(await client.messages.create({ ...ask(weather), tools })),
	'tools stream': async () => message(await client.messages.stream({ ...ask(weather), tools }).finalMessage()),
	refused: () => client.messages.create({ ...ask(question), model: 'claude-opus-4-5' }),
	'refused stream': () => client.messages.stream({ ...ask(question), model: 'claude-opus-4-5' }).finalMessage(),
}, names)
