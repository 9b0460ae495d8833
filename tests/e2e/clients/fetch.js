// fetch.js URL FILE...: as the README here says, for programs with a global fetch (bun, deno, node).
import { readFileSync } from "node:fs";
import process from "node:process";

const [url, ...files] = process.argv.slice(2);
for (const file of files) {
	const answer = await fetch(url, {
		method: "POST",
		headers: { authorization: `Bearer ${process.env.API_KEY}`, "content-type": "application/json" },
		body: readFileSync(file),
	});
	process.stdout.write(await answer.text());
	console.log(`\nHTTP ${answer.status}`);
}
