// Loaded before @portkey-ai/gateway, for three things that it has no option for.
'use strict';
const net = require('node:net');

// It would listen on all addresses, and close a connection that waited for five seconds: at a barrier of
// the load generator, say.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
	this.keepAliveTimeout = 3600000;
	if (typeof first === 'object' && first !== null) return listen.call(this, { ...first, host: '127.0.0.1' }, ...rest);
	const done = [first, ...rest].find((each) => typeof each === 'function');
	return listen.call(this, { port: first, host: '127.0.0.1' }, ...(done ? [done] : []));
};

// It adds to the headers of a stream that fetch has answered. With its server's library that npm
// installs they cannot be changed, and every stream would be a 500.
const Native = globalThis.Response;
const fetched = globalThis.fetch;
globalThis.fetch = async (...what) => {
	const answer = await fetched(...what);
	if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return answer;
	const { status, statusText } = answer;
	return new Native(answer.body, { status, statusText, headers: new Headers(answer.headers) });
};
