// The package @aws-sdk/client-bedrock-runtime: bedrock.mjs PORT STEP...
import {
	BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, InvokeModelCommand,
	InvokeModelWithResponseStreamCommand,
} from '@aws-sdk/client-bedrock-runtime'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { parameters, question, run, weather } from './say.mjs'

const [port, ...names] = process.argv.slice(2)
const client = new BedrockRuntimeClient({
	region: 'us-east-1', endpoint: `https://bedrock-runtime.us-east-1.amazonaws.com:${port}`,
	credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: process.env.API_KEY },
	// of its own the client speaks HTTP/2, which is not governed
	requestHandler: new NodeHttpHandler(),
})
const modelId = 'anthropic.claude-haiku-4-5-20251001-v1:0'
const ask = text => ({ modelId, messages: [{ role: 'user', content: [{ text }] }] })
const toolConfig = {
	tools: ['weather', 'time'].map(name => ({ toolSpec: { name, inputSchema: { json: parameters } } })),
}

const converse = (content, usage) => ({
	text: content.map(block => block.text ?? '').join(''),
	input: usage.inputTokens + (usage.cacheReadInputTokens ?? 0) + (usage.cacheWriteInputTokens ?? 0),
	output: usage.outputTokens,
	tools: content.filter(block => block.toolUse)
		.map(({ toolUse }) => [toolUse.toolUseId, toolUse.name, toolUse.input]),
})

// The program puts a stream together itself.
async function whole({ stream }) {
	const content = []
	let usage
	for await (const event of stream) {
		const start = event.contentBlockStart, delta = event.contentBlockDelta
		if (start?.start?.toolUse)
			content[start.contentBlockIndex] = { toolUse: { ...start.start.toolUse, input: '' } }
		if (delta) {
			const block = content[delta.contentBlockIndex] ??= { text: '' }
			if (delta.delta.toolUse)
				block.toolUse.input += delta.delta.toolUse.input
			else
				block.text += delta.delta.text ?? ''
		}
		usage = event.metadata?.usage ?? usage
	}
	for (const block of content)
		if (block.toolUse)
			block.toolUse.input = JSON.parse(block.toolUse.input)
	return converse(content, usage)
}

const body = text => ({
	modelId, contentType: 'application/json', accept: 'application/json', body: JSON.stringify({
		anthropic_version: 'bedrock-2023-05-31', max_tokens: 100, messages: [{ role: 'user', content: text }] }),
})
const invoked = ({ content, usage }) => ({
	text: content.map(block => block.text ?? '').join(''), input: usage.input_tokens, output: usage.output_tokens,
})

await run(modelId, {
	async plain() {
		const { output, usage } = await client.send(new ConverseCommand(ask(question)))
		return converse(output.message.content, usage)
	},
	stream: async () => whole(await client.send(new ConverseStreamCommand(ask(question)))),
	async tools() {
		const { output, usage } = await client.send(new ConverseCommand({ ...ask(weather), toolConfig }))
		return converse(output.message.content, usage)
	},
	'tools stream': async () => whole(await client.send(new ConverseStreamCommand({ ...ask(weather), toolConfig }))),
	async invoke() {
		const answer = await client.send(new InvokeModelCommand(body(question)))
		return invoked(JSON.parse(new TextDecoder().decode(answer.body)))
	},
	async 'invoke stream'() {
		const answer = await client.send(new InvokeModelWithResponseStreamCommand(body(question)))
		let text = '', usage = {}
		for await (const { chunk } of answer.body) {
			const event = JSON.parse(new TextDecoder().decode(chunk.bytes))
			text += event.delta?.text ?? ''
			usage = { ...usage, ...event.message?.usage, ...event.usage }
		}
		return invoked({ content: [{ text }], usage })
	},
	refused: () => client.send(new ConverseCommand({ ...ask(question), modelId: 'meta.llama3-8b-instruct-v1:0' })),
	'refused stream': () => client.send(new ConverseStreamCommand({
		...ask(question), modelId: 'meta.llama3-8b-instruct-v1:0' })),
}, names)
