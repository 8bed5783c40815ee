-- Those who run the server are its operators, whoever provides it.
ALTER TABLE users RENAME COLUMN is_provider_admin TO is_server_operator;
ALTER TABLE invitations RENAME COLUMN is_by_provider TO is_by_server_operator;
