# Tcl's http package over tcl-tls, which reads and writes a BIO_f_ssl.
package require http
package require tls

proc connect {args} {
    return [tls::socket -servername [lindex $args end-1] -autoservername 0 -require 1 \
        -cafile $::env(SSL_CERT_FILE) {*}$args]
}
http::register https 443 connect
fconfigure stdout -translation binary

set url [lindex $argv 0]
foreach name [lrange $argv 1 end] {
    set file [open $name rb]
    set body [read $file]
    close $file
    set token [http::geturl $url -query $body -type application/json -keepalive 1 -timeout 20000 \
        -headers [list Authorization "Bearer $env(API_KEY)" Accept-Encoding identity] -binary 1]
    puts -nonewline [http::data $token]
    puts "\nHTTP [http::ncode $token]"
    http::cleanup $token
}
