"""Qt's QNetworkAccessManager, which finds OpenSSL with dlopen and dlsym."""
import os
import sys

from PyQt5.QtCore import QCoreApplication, QUrl
from PyQt5.QtNetwork import (QNetworkAccessManager, QNetworkRequest, QSslCertificate,
                             QSslConfiguration)

from common import HEADERS, URL, bodies, show, show_status

application = QCoreApplication(sys.argv)
configuration = QSslConfiguration.defaultConfiguration()
configuration.setCaCertificates(QSslCertificate.fromPath(os.environ["SSL_CERT_FILE"]))
manager = QNetworkAccessManager()
for body in bodies():
    request = QNetworkRequest(QUrl(URL))
    request.setSslConfiguration(configuration)
    for name, value in HEADERS.items():
        request.setRawHeader(name.encode(), value.encode())
    answer = manager.post(request, body)
    answer.readyRead.connect(lambda: show(bytes(answer.readAll())))
    answer.finished.connect(application.quit)
    application.exec_()
    status = answer.attribute(QNetworkRequest.HttpStatusCodeAttribute)
    if status is None:
        sys.exit(answer.errorString())
    show_status(status)
