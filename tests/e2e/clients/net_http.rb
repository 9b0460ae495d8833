# Ruby's own client.
require "net/http"

url = URI(ARGV.shift)
$stdout.binmode
Net::HTTP.start(url.host, url.port, use_ssl: url.scheme == "https", read_timeout: 20, max_retries: 0) do |http|
  ARGV.each do |name|
    request = Net::HTTP::Post.new(url, "Authorization" => "Bearer #{ENV.fetch('API_KEY')}",
                                       "Content-Type" => "application/json",
                                       "Accept-Encoding" => "identity")
    request.body = File.binread(name)
    http.request(request) do |answer|
      answer.read_body { |piece| $stdout.write(piece); $stdout.flush }
      puts "\nHTTP #{answer.code}"
    end
  end
end
