<?php
// PHP's own streams: the https wrapper for one request; for several on one connection, which the
// wrapper cannot do, the ssl transport below it.
$url = $argv[1];
$files = array_slice($argv, 2);
$headers = "Authorization: Bearer " . getenv("API_KEY") . "\r\nContent-Type: application/json\r\n";

function show_status($line)
{
    echo "\nHTTP ", explode(" ", $line)[1], "\n";
}

if (count($files) == 1) {
    $context = stream_context_create(["http" => [
        "method" => "POST", "header" => $headers, "content" => file_get_contents($files[0]),
        "ignore_errors" => true, "protocol_version" => 1.1, "timeout" => 20]]);
    $answer = fopen($url, "r", false, $context) or exit(1);
    while (!feof($answer)) {
        echo fread($answer, 65536);
    }
    show_status($http_response_header[0]);
    exit(0);
}

$where = parse_url($url);
$peer = null;
foreach ($files as $name) {
    $body = file_get_contents($name);
    if (!$peer) {
        $peer = stream_socket_client("ssl://{$where['host']}:{$where['port']}", $code, $text, 20)
            or exit(1);
        stream_set_timeout($peer, 20);
    }
    $request = "POST {$where['path']} HTTP/1.1\r\nHost: {$where['host']}:{$where['port']}\r\n"
        . "Content-Length: " . strlen($body) . "\r\n$headers\r\n$body";
    for ($done = 0; $done < strlen($request); $done += $n) {
        $n = fwrite($peer, substr($request, $done, 8192));
        if (!$n) {
            break;
        }
    }
    $status = fgets($peer);
    $length = 0;
    $close = false;
    while (($line = rtrim(fgets($peer))) !== "") {
        [$key, $value] = explode(":", $line, 2);
        if (!strcasecmp($key, "content-length")) {
            $length = (int) $value;
        }
        $close = $close || (!strcasecmp($key, "connection") && !strcasecmp(trim($value), "close"));
    }
    for (; $length > 0; $length -= strlen($piece)) {
        $piece = fread($peer, $length);
        if ($piece === false || $piece === "") {
            exit(1);
        }
        echo $piece;
    }
    show_status($status);
    if ($close) {
        fclose($peer);
        $peer = null;
    }
}
