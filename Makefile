# placeholder: replaced by the real one
