// The package openai: openai.mjs PORT STEP...
import OpenAI from 'openai'
import { parameters, question, run, weather } from './say.mjs'

const [port, ...names] = process.argv.slice(2)
const client = new OpenAI({ apiKey: process.env.API_KEY, baseURL: `https://api.openai.com:${port}/v1` })
const model = 'gpt-5'
const ask = content => ({ model, messages: [{ role: 'user', content }] })
const tools = ['weather', 'time'].map(name => ({ type: 'function', function: { name, parameters } }))
const include = { stream: true, stream_options: { include_usage: true } }

const chat = ({ model, choices, usage }) => ({
	model, text: choices[0].message.content, input: usage.prompt_tokens, output: usage.completion_tokens,
	cached: usage.prompt_tokens_details?.cached_tokens,
	tools: choices[0].message.tool_calls?.map(call =>
		[call.id, call.function.name, JSON.parse(call.function.arguments)]),
})
const response = ({ model, output, output_text, usage }) => ({
	model, text: output_text, input: usage.input_tokens, output: usage.output_tokens,
	cached: usage.input_tokens_details?.cached_tokens,
	tools: output.filter(item => item.type === 'function_call')
		.map(call => [call.call_id, call.name, JSON.parse(call.arguments)]),
})
const flat = tools.map(({ function: f }) => ({ type: 'function', strict: false, ...f }))

await run(model, {
	plain: async () => chat(await client.chat.completions.create(ask(question))),
	stream: async () => chat(await client.chat.completions.stream({ ...ask(question), ...include })
		.finalChatCompletion()),
	tools: async () => chat(await client.chat.completions.create({ ...ask(weather), tools })),
	'tools stream': async () => chat(await client.chat.completions.stream({ ...ask(weather), tools, ...include })
		.finalChatCompletion()),
	responses: async () => response(await client.responses.create({ model, input: question })),
	'responses stream': async () => response(await client.responses.stream({ model, input: question })
		.finalResponse()),
	'responses tools': async () => response(await client.responses.create({ model, input: weather, tools: flat })),
	'responses tools stream': async () => response(
		await client.responses.stream({ model, input: weather, tools: flat }).finalResponse()),
	async embeddings() {
		const asked = 'text-embedding-3-small'
		const { model, usage } = await client.embeddings.create({ model: asked, input: 'embed me' })
		return { asked, model, input: usage.prompt_tokens }
	},
	refused: () => client.chat.completions.create({ ...ask(question), model: 'gpt-4o' }),
	'refused stream': () => client.chat.completions.create({ ...ask(question), model: 'gpt-4o', ...include }),
}, names)
