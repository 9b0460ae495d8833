"""nginx as a reverse proxy: it is nginx that speaks to the provider."""
import os
import subprocess

from proxied import talk, where

CONFIGURATION = """
daemon on; master_process off; pid {directory}/pid; error_log {directory}/log;
events {{ }}
http {{
    access_log off; client_max_body_size 0; client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream provider {{ server {where.netloc}; keepalive 1; }}
    server {{
        listen unix:{directory}/socket;
        location / {{
            proxy_pass https://provider; proxy_http_version 1.1; proxy_buffering off;
            proxy_set_header Connection ""; proxy_set_header Host {where.netloc};
            proxy_ssl_server_name on; proxy_ssl_name {where.hostname};
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
        }}
    }}
}}
"""


def start(directory):
    with open(f"{directory}/conf", "w") as file:
        file.write(CONFIGURATION.format(directory=directory, where=where,
                                        authority=os.environ["SSL_CERT_FILE"]))
    subprocess.run(["nginx", "-p", directory, "-e", f"{directory}/log", "-c", f"{directory}/conf"],
                   check=True, env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin"})


talk(start)
