"""pycurl, which Debian builds on libcurl-gnutls: one handle, and so one connection. With UNVERIFIED
set it does not verify the peer."""
import os

import pycurl

from common import HEADERS, URL, bodies, show, show_status

curl = pycurl.Curl()
curl.setopt(pycurl.URL, URL)
curl.setopt(pycurl.CAINFO, os.environ["SSL_CERT_FILE"])
curl.setopt(pycurl.SSL_VERIFYPEER, 0 if os.environ.get("UNVERIFIED") else 1)
curl.setopt(pycurl.HTTPHEADER, ["%s: %s" % header for header in HEADERS.items()])
curl.setopt(pycurl.WRITEFUNCTION, show)
for body in bodies():
    curl.setopt(pycurl.POSTFIELDS, body)
    curl.perform()
    show_status(curl.getinfo(pycurl.RESPONSE_CODE))
curl.close()
