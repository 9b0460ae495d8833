<?php
// PHP's curl extension, which PHP loads with RTLD_DEEPBIND.
// It asks the resolver past any preloaded library, so it is told where the name leads.
$url = $argv[1];
$where = parse_url($url);
$curl = curl_init();
curl_setopt($curl, CURLOPT_RESOLVE, ["{$where['host']}:{$where['port']}:127.0.0.1"]);
foreach (array_slice($argv, 2) as $name) {
    curl_setopt_array($curl, [
        CURLOPT_URL => $url, CURLOPT_POST => true, CURLOPT_POSTFIELDS => file_get_contents($name),
        CURLOPT_HTTPHEADER => ["Authorization: Bearer " . getenv("API_KEY"),
            "Content-Type: application/json", "Expect:"],
        CURLOPT_CAINFO => getenv("CURL_CA_BUNDLE"), CURLOPT_TIMEOUT => 20,
        CURLOPT_WRITEFUNCTION => function ($curl, $piece) {
            echo $piece;
            return strlen($piece);
        }]);
    if (!curl_exec($curl)) {
        fwrite(STDERR, curl_error($curl) . "\n");
        exit(1);
    }
    echo "\nHTTP ", curl_getinfo($curl, CURLINFO_RESPONSE_CODE), "\n";
}
